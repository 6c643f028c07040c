"""Which findings a phantom has: drawn by chance from (seed, index), with side, site and size.

In: a random generator. Out: findings of study.py (without boxes, which the film that shows them adds).
"""

from __future__ import annotations

import numpy as np

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
SIZES = ("small", "moderate", "large")
SIZE_CHANCES = (0.4, 0.4, 0.2)
NORMAL_CHANCE = 0.25
COUNT_CHANCES = (0.45, 0.35, 0.20)  # of one, two or three findings in a study that is not normal
SITES = {"consolidation": ("upper lobe", "middle lobe", "lower lobe"), "nodule": ("upper lobe", "lower lobe")}


def draw_findings(rng: np.random.Generator) -> tuple[Finding, ...]:
    """One study's findings, in a fixed order; an empty tuple is a normal study."""
    if rng.random() < NORMAL_CHANCE:
        return ()
    count = 1 + int(rng.choice(3, p=COUNT_CHANCES))
    names = sorted(rng.choice(len(FINDINGS), size=count, replace=False))
    return tuple(draw_one(list(FINDINGS)[i], rng) for i in names)


def draw_one(name: str, rng: np.random.Generator) -> Finding:
    size = str(rng.choice(SIZES, p=SIZE_CHANCES))
    side = None if name in ("cardiomegaly", "edema") else str(rng.choice(("left", "right")))
    if name == "effusion" and rng.random() < 0.2:
        side = "bilateral"
    if name == "pacemaker":
        side, size = ("left" if rng.random() < 0.8 else "right"), None
    site = None
    if name in SITES:
        allowed = [s for s in SITES[name] if not (side == "left" and s == "middle lobe")]  # the left lung has two lobes
        site = str(rng.choice(allowed))
    if name == "atelectasis":
        site = "base"
    return Finding(name, FINDINGS[name], side, site, size)
