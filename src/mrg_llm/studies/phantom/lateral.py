"""The lateral film of the same phantom: front of the chest at the image's left, spine at its right."""

from __future__ import annotations

import numpy as np

from mrg_llm.studies.phantom.body import Array, Body, Canvas, clouds, develop, step
from mrg_llm.studies.phantom.frontal import AMOUNT, HEIGHTS, Box
from mrg_llm.studies.study import Finding

FRONT, BACK = -0.55, 0.48  # inside of the sternum, front of the spine
DEPTHS = {"upper lobe": -0.1, "middle lobe": -0.25, "lower lobe": 0.22}  # lower lobes lie behind


def draw_lateral(
    body: Body, findings: tuple[Finding, ...], side_px: int, rng: np.random.Generator
) -> tuple[Array, dict[str, Box]]:
    """An 8-bit film (side, side), and the boxes of the findings that a lateral film shows."""
    film = Lateral(body, {f.name: f for f in findings}, side_px, rng)
    return film.develop(), film.boxes


class Lateral:
    """The layers of one film; each method adds what its name says."""

    def __init__(self, body: Body, findings: dict[str, Finding], side_px: int, rng: np.random.Generator):
        self.body, self.findings, self.rng, self.side_px = body, findings, rng, side_px
        self.canvas = Canvas(side_px, body)
        self.boxes: dict[str, Box] = {}
        self.front = FRONT - 0.05 * (body.fat - 1) + rng.normal(0, 0.02)
        self.domes = [self.dome(side) for side in ("right", "left")]
        self.air = self.lungs()
        self.heart = self.draw_heart()

    def develop(self) -> Array:
        absorption = self.soft_tissue() + self.bones() + self.markings()
        for name in ("effusion", "consolidation", "nodule", "edema", "atelectasis", "pacemaker"):
            if name in self.findings:
                absorption = absorption + getattr(self, name)(self.findings[name])
        return develop(absorption, self.side_px, self.rng, exposure=self.rng.normal(1.95, 0.1))

    def dome(self, side: str) -> Array:
        """Height of one hemidiaphragm; it slopes down to the posterior angle."""
        x = self.canvas.x
        base = self.body.base - 0.06 + (0.05 if side == "left" else 0.0)
        finding = self.findings.get("atelectasis")
        if finding is not None and finding.side == side:
            base -= 0.02 + 0.06 * AMOUNT[finding.size]
        return base + 0.34 * np.clip((x + 0.12) / 0.62, 0, 1.1) ** 2 + 0.10 * np.clip((-0.12 - x) / 0.5, 0, 1) ** 2

    def lungs(self) -> Array:
        """Air of both lungs, 0..1, half of it a lung."""
        x, y = self.canvas.x, self.canvas.y
        rise = np.clip((self.body.apex + 0.5 - y) / 0.5, 0, 1)
        front = self.front + 0.38 * rise**1.6
        back = BACK + 0.10 - 0.16 * rise**1.5 - 0.08 * np.clip(y - 0.2, 0, 1)
        inside = step(x - front, 0.03) * step(back - x, 0.05) * step(y - self.body.apex, 0.06)
        return sum(0.5 * inside * step(dome - y, 0.03) for dome in self.domes)

    def draw_heart(self) -> Array:
        half = self.body.heart
        finding = self.findings.get("cardiomegaly")
        if finding is not None:
            half = self.body.lung * (0.60 + 0.13 * AMOUNT[finding.size])
        heart = self.canvas.ellipse(
            self.front + 0.10 + 0.62 * half, self.body.base - 0.20, 0.80 * half, 0.24 + 0.14 * half, 0.08, turn=-0.5
        )
        if finding is not None:
            self.boxes["cardiomegaly"] = self.canvas.box_of(heart, 0.5)
        return heart

    def soft_tissue(self) -> Array:
        body, canvas = self.body, self.canvas
        x, y = canvas.x, canvas.y
        front = self.front - 0.10 - 0.07 * body.fat - 0.18 * body.breasts * np.exp(-(((y - 0.12) / 0.3) ** 2))
        back = 0.76 + 0.06 * body.fat - 0.22 * np.clip(-0.55 - y, 0, 1)
        neck = np.clip(-0.78 - y, 0, 1) * 1.2
        inside = step(x - front - neck, 0.05) * step(back - x, 0.05)
        soft = inside * (1.75 + 0.35 * body.fat) + 0.45 * inside * step(y - body.base, 0.35)
        arms = canvas.ellipse(-0.05, -0.92, 0.55, 0.30, 0.20)
        soft += 0.45 * arms * inside
        soft -= self.air * 1.75 * (1 - 0.62 * self.heart) * (0.85 + 0.12 * clouds(self.side_px, self.rng, 0.08))
        trachea = step(0.04 - np.abs(x - 0.05 - 0.12 * (y + 0.5)), 0.02) * step(-0.12 - y, 0.05) * inside
        arch = canvas.ellipse(0.10, -0.25, 0.16, 0.13, 0.06)
        aorta = np.exp(-(((x - 0.30) / 0.07) ** 2)) * step(y + 0.22, 0.2) * step(body.base + 0.2 - y, 0.2)
        return soft - 0.35 * trachea + 0.18 * arch + 0.12 * aorta * inside

    def bones(self) -> Array:
        canvas = self.canvas
        x, y = canvas.x, canvas.y
        bend = BACK + 0.10 - 0.10 * np.clip(-0.4 - y, 0, 1) * 2
        discs = 0.70 + 0.30 * np.sin(y * 2 * np.pi / 0.13)
        spine = step(0.085 - np.abs(x - bend), 0.03) * discs * (1.0 - 0.25 * np.clip(y, 0, 1))
        sternum = step(0.028 - np.abs(x - self.front + 0.03 - 0.25 * np.clip(-0.35 - y, 0, 1)), 0.02) * step(
            0.35 - np.abs(y + 0.15), 0.05
        )
        ribs = canvas.pen()
        t = np.linspace(0, 1, 12)
        for i in range(9):
            for shift in (0.0, 0.035):
                start = self.body.apex + 0.08 + 0.125 * i + shift
                rib_y = start + 0.30 * t**1.3
                ribs.line(bend.mean() + 0.10 - (BACK - self.front + 0.1) * t, rib_y, 0.028, value=170)
        return 0.50 * spine + 0.35 * sternum + 0.16 * ribs.read(0.006)

    def markings(self) -> Array:
        canvas, rng, pen = self.canvas, self.rng, self.canvas.pen()
        full = 1.6 if "edema" in self.findings else 1.0
        for _ in range(26):
            x, y, angle, width = 0.06, -0.02, rng.uniform(0, 2 * np.pi), 0.018 * full
            while width > 0.004:
                length = rng.uniform(0.06, 0.1)
                x2, y2 = x + np.cos(angle) * length, y + np.sin(angle) * length
                pen.line(np.array([x, x2]), np.array([y, y2]), width, value=int(min(255, 90 + 6500 * width)))
                x, y, angle, width = x2, y2, angle + rng.normal(0, 0.25), width * 0.75
        hilum = canvas.ellipse(0.06, -0.04, 0.10, 0.12, 0.10)
        return (0.35 * pen.read(0.004) * self.air + 0.28 * full * hilum) * (1 - 0.6 * self.heart)

    # -- findings ------------------------------------------------------------------------------------------------------

    def effusion(self, finding: Finding) -> Array:
        x, y = self.canvas.x, self.canvas.y
        height = 0.10 + 0.42 * AMOUNT[finding.size]
        level = self.body.base + 0.22 - height - 0.14 * np.clip((x - 0.1) / 0.4, 0, 1) ** 2
        share = 1.0 if finding.side == "bilateral" else 0.62
        fluid = step(y - level, 0.06) * self.air * share
        self.boxes["effusion"] = self.canvas.box_of(fluid)
        return 1.7 * fluid

    def spot(self, finding: Finding) -> tuple[float, float]:
        site = finding.site or "lower lobe"
        return DEPTHS[site] + self.rng.normal(0, 0.06), self.rng.uniform(*HEIGHTS[site])

    def consolidation(self, finding: Finding) -> Array:
        x, y = self.spot(finding)
        size = 0.12 + 0.12 * AMOUNT[finding.size]
        patch = self.canvas.ellipse(x, y, size, 0.85 * size, size)
        patch = patch * (0.7 + 0.5 * clouds(self.side_px, self.rng, 0.05)) * self.air
        self.boxes["consolidation"] = self.canvas.box_of(patch)
        return 0.75 * patch

    def nodule(self, finding: Finding) -> Array:
        x, y = self.spot(finding)
        radius = 0.042 + 0.045 * AMOUNT[finding.size]
        spot = self.canvas.ellipse(x, y, radius, radius, 0.02) * self.air
        self.boxes["nodule"] = self.canvas.box_of(spot)
        return 0.5 * spot

    def edema(self, finding: Finding) -> Array:
        haze = self.canvas.ellipse(0.05, 0.02, 0.40, 0.42, 0.45) * self.air
        haze = haze * (0.55 + 0.8 * clouds(self.side_px, self.rng, 0.035))
        self.boxes["edema"] = self.canvas.box_of(haze)
        return (0.38 + 0.45 * AMOUNT[finding.size]) * haze

    def atelectasis(self, finding: Finding) -> Array:
        pen = self.canvas.pen()
        y = self.body.base - self.rng.uniform(0.08, 0.18)
        x = np.linspace(0.05, 0.40, 6)
        pen.line(x, y + 0.25 * (x - 0.05), 0.02 + 0.012 * AMOUNT[finding.size])
        band = pen.read(0.005) * self.air
        self.boxes["atelectasis"] = self.canvas.box_of(band)
        return 0.5 * band

    def pacemaker(self, finding: Finding) -> Array:
        canvas, pen, t = self.canvas, self.canvas.pen(), np.linspace(0, 1, 16)
        x, y = self.front + 0.04, self.body.apex + 0.32
        case = canvas.ellipse(x, y, 0.035, 0.09, 0.012)
        pen.line(x + (0.12 - x) * np.sin(np.pi * t) * 0.8 + (self.front + 0.2 - x) * t, y + (0.30 - y) * t**1.5, 0.011)
        self.boxes["pacemaker"] = canvas.box_of(case)
        return 1.6 * case + 0.8 * pen.read(0.002)
