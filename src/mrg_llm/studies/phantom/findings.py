"""Which findings a phantom has, and where: drawn by chance, each with side, site, size and a place in the body.

In: a random generator and a normal body. Out: the findings, and a `Scene` that both films are drawn from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from mrg_llm.studies.phantom.anatomy import SIDES, Array, Body, Point
from mrg_llm.studies.study import Finding

FINDINGS = {
    "cardiomegaly": "Cardiomegaly",
    "effusion": "Pleural Effusion",
    "pneumothorax": "Pneumothorax",
    "consolidation": "Consolidation",
    "nodule": "Lung Lesion",
    "edema": "Edema",
    "atelectasis": "Atelectasis",
    "pacemaker": "Support Devices",
}
SIZES = {
    "small": (0.0, 0.25),
    "moderate": (0.4, 0.65),
    "large": (0.8, 1.0),
}  # size -> severities it covers
SIZE_CHANCES = (0.42, 0.36, 0.22)
NORMAL_CHANCE = 0.25
# Of one, two or three findings. With these, knowing one finding of a study says nothing about the others:
# the mean number of further findings, (1 * 2 * 0.35 + 2 * 3 * 0.30) / 1.95 of 7, is each one's prevalence, 0.183.
COUNT_CHANCES = (0.35, 0.35, 0.30)
SITES = {
    "consolidation": ("upper lobe", "middle lobe", "lower lobe"),
    "nodule": ("upper lobe", "lower lobe"),
}
# site -> where its centre may lie: |x| as a share of the cavity's half width, y of its half depth, z of its height
REACH = {
    "upper lobe": ((0.50, 0.72), (-0.25, 0.25), (0.24, 0.40)),
    "middle lobe": ((0.42, 0.60), (-0.65, -0.40), (0.66, 0.76)),
    "lower lobe": ((0.52, 0.74), (0.25, 0.55), (0.68, 0.84)),
}


@dataclass(frozen=True)
class Scene:
    """A body with its findings: severities 0 to 1 and centres (cm) by finding name."""

    body: Body
    findings: dict[str, Finding]
    severity: dict[str, float]
    centers: dict[str, Point] = field(default_factory=dict)

    @property
    def patch(self) -> float:
        """Rough radius of the consolidation, cm."""
        return 2.0 + 2.6 * self.severity.get("consolidation", 0.0)

    def height(self, side: str) -> float:
        """How high fluid stands above the costophrenic angle of one side, cm; 0 without an effusion."""
        finding = self.findings.get("effusion")
        if finding is None or finding.side not in (side, "bilateral"):
            return 0.0
        return 2.1 + 9.8 * self.severity["effusion"]

    def rim(self, z: Array) -> Array:
        """Width of the free air of a pneumothorax at height z: less at the base."""
        t = np.clip((z - 0.32 * self.body.height) / (0.6 * self.body.height), 0, 1)
        return (1.7 + 4.2 * self.severity["pneumothorax"]) * (1 - 0.75 * t * t * (3 - 2 * t))

    def edge(self, z: Array) -> Array:
        """|x| of the edge of a lung that a pneumothorax has shrunk."""
        top = 1.7 + 4.2 * self.severity["pneumothorax"]
        return np.clip(self.body.cavity(z - 0.9 * top)[0] - 0.75 * self.rim(z), 0.01, None)

    @property
    def nodule_mm(self) -> int:
        """Diameter of the nodule, 0 where there is none."""
        return round(12 + 17 * self.severity["nodule"]) if "nodule" in self.findings else 0


def draw_scene(body: Body, rng: np.random.Generator) -> Scene:
    """The findings of one study, none for a normal one, placed in the body so that none hides another."""
    names = draw_names(rng)
    while True:
        scene = place(body, tuple(draw_one(name, rng) for name in names), rng)
        if legible(scene):
            return scene


def draw_names(rng: np.random.Generator) -> list[str]:
    if rng.random() < NORMAL_CHANCE:
        return []
    count = 1 + int(rng.choice(3, p=COUNT_CHANCES))
    return [list(FINDINGS)[i] for i in sorted(rng.choice(len(FINDINGS), size=count, replace=False))]


def place(body: Body, drawn: tuple[Finding, ...], rng: np.random.Generator) -> Scene:
    findings = {f.name: f for f in drawn}
    severity = {f.name: float(rng.uniform(*SIZES[f.size or "moderate"])) for f in drawn}
    if "cardiomegaly" in findings:
        body = replace(body, ratio=0.57 + 0.14 * severity["cardiomegaly"])
    if "atelectasis" in findings:  # what has collapsed pulls the diaphragm up
        up = 0.5 + 2.0 * severity["atelectasis"]
        body = replace(body, raised=(up, 0.0) if findings["atelectasis"].side == "right" else (0.0, up))
    centers = {name: center_of(findings[name], body, rng) for name in SITES if name in findings}
    return Scene(body, findings, severity, centers)


def legible(scene: Scene) -> bool:
    """False where fluid, free air, another patch or the heart would keep a person from seeing a finding."""
    bands = scene.findings.get("atelectasis")
    if bands is not None and scene.height(bands.side or "left") > 4:
        return False
    radius = {"consolidation": 0.7 * scene.patch, "nodule": scene.nodule_mm / 20}
    if not all(in_sight(scene, name, radius[name]) for name in scene.centers):
        return False
    if len(scene.centers) < 2:
        return True
    (x, _, z), (x2, _, z2) = scene.centers.values()
    return math.hypot(x - x2, z - z2) > 2 * radius["consolidation"] + radius["nodule"]


def in_sight(scene: Scene, name: str, radius: float) -> bool:
    """Whether a round finding lies in lung that holds air, beside the heart in the frontal film."""
    x, _, z = scene.centers[name]
    side = scene.findings[name].side or "left"
    if z + radius > scene.body.dome(side)[0] + 3.4 - scene.height(side):
        return False
    inner = np.asarray(x - SIDES[side] * 0.5 * radius)
    behind_heart = [part.interval("y", inner, np.asarray(z)) for part in scene.body.heart]
    if any(enter < leave for enter, leave in behind_heart):
        return False
    air = scene.findings.get("pneumothorax")
    return air is None or air.side != side or abs(x) + radius < float(scene.edge(np.asarray(z))) - 0.3


def draw_one(name: str, rng: np.random.Generator) -> Finding:
    size: str | None = str(rng.choice(list(SIZES), p=SIZE_CHANCES))
    side: str | None = str(rng.choice(("left", "right")))
    if name in ("cardiomegaly", "edema"):
        side = None
    if name == "effusion" and rng.random() < 0.2:
        side = "bilateral"
    if name == "pacemaker":
        side, size = ("left" if rng.random() < 0.75 else "right"), None
    site = "base" if name == "atelectasis" else None
    if name in SITES:
        allowed = [s for s in SITES[name] if not (side == "left" and s == "middle lobe")]  # the left lung has two lobes
        site = str(rng.choice(allowed))
    return Finding(name, FINDINGS[name], side, site, size)


def center_of(finding: Finding, body: Body, rng: np.random.Generator) -> Point:
    """A centre in the finding's lobe, above the diaphragm and beside the heart."""
    across, back, down = REACH[finding.site or "lower lobe"]
    z = float(rng.uniform(*down)) * body.height
    a, b, middle = (float(v) for v in body.cavity(np.asarray(z)))
    x, y = float(rng.uniform(*across)) * a, middle + float(rng.uniform(*back)) * b
    top, x0, kx, *_ = body.dome(finding.side or "left")
    z = min(z, top + kx * (x - x0) ** 2 - 2.0)
    if finding.side == "left" and z > body.carina + 4:
        x = max(x, min(0.70 * 2 * body.lung * body.ratio + 1.2, 0.80 * a))
    return SIDES[finding.side or "left"] * x, y, z
