"""The frontal film: absorption of soft tissue, bone and metal along rays, with findings drawn into the same model.

The patient's left is on the right of the image. Findings take or give absorption as they do in a chest: fluid and
consolidation replace air, a pneumothorax removes vessels and shows the pleural line.
"""

from __future__ import annotations

import numpy as np

from mrg_llm.studies.phantom.body import Array, Body, Canvas, clouds, develop, step
from mrg_llm.studies.study import Finding

AMOUNT = {"small": 0.0, "moderate": 0.5, "large": 1.0, None: 0.5}
HEIGHTS = {"upper lobe": (-0.48, -0.2), "middle lobe": (0.02, 0.16), "lower lobe": (0.1, 0.3)}
Box = tuple[float, float, float, float]


def draw_frontal(
    body: Body, findings: tuple[Finding, ...], side_px: int, rng: np.random.Generator
) -> tuple[Array, dict[str, Box]]:
    """An 8-bit film (side, side), and the box of every finding by name."""
    film = Frontal(body, {f.name: f for f in findings}, side_px, rng)
    return film.develop(), film.boxes


class Frontal:
    """The layers of one film; each method adds what its name says."""

    def __init__(self, body: Body, findings: dict[str, Finding], side_px: int, rng: np.random.Generator):
        self.body, self.findings, self.rng, self.side_px = body, findings, rng, side_px
        self.canvas = Canvas(side_px, body)
        self.boxes: dict[str, Box] = {}
        self.lungs = {"right": self.lung(-1), "left": self.lung(1)}
        self.air = self.lungs["left"] + self.lungs["right"]
        self.heart = self.draw_heart()
        self.fluid = np.zeros_like(self.canvas.x)
        self.vessel_room = np.ones_like(self.canvas.x)

    def develop(self) -> Array:
        for finding in ("effusion", "pneumothorax"):
            if finding in self.findings:
                getattr(self, finding)(self.findings[finding])
        absorption = self.soft_tissue() + self.bones() + self.lung_markings()
        for finding in ("consolidation", "nodule", "edema", "atelectasis", "pacemaker"):
            if finding in self.findings:
                absorption = absorption + getattr(self, finding)(self.findings[finding])
        absorption += self.pleural_line if "pneumothorax" in self.findings else 0
        return develop(absorption, self.side_px, self.rng, exposure=self.rng.normal(1.75, 0.1))

    # -- anatomy -------------------------------------------------------------------------------------------------------

    def lung(self, sign: int) -> Array:
        """Air of one lung, 0..1. sign: 1 for the patient's left."""
        body, x, y = self.body, self.canvas.x * sign, self.canvas.y
        base = body.base + (0.05 if sign > 0 else 0.0)  # the liver pushes the right dome up
        base -= self.raised(sign)
        middle = body.apex + 0.62
        rise = np.clip((middle - np.minimum(y, middle)) / (middle - body.apex), 0, 1)
        wall = body.lung * np.clip(1 - rise**2.6, 0, 1) ** 0.6
        wall = wall * (0.93 + 0.07 * np.clip((y + 0.4) / 0.8, 0, 1))
        centre = 0.55 * body.lung
        dome = base + 0.30 * np.clip(np.abs(x - centre) / (body.lung * 0.5), 0, 1.2) ** 2.2 * (x > centre) + 0.10 * (
            np.clip((centre - x) / centre, 0, 1) ** 2
        )
        hilum = 0.14 + 0.03 * np.clip(y, 0, 1)
        return step(wall - x, 0.025) * step(x - hilum, 0.05) * step(dome - y, 0.03)

    def raised(self, sign: int) -> float:
        finding = self.findings.get("atelectasis")
        if finding is None or (finding.side == "left") != (sign > 0):
            return 0.0
        return 0.02 + 0.06 * AMOUNT[finding.size]

    def draw_heart(self) -> Array:
        body, canvas = self.body, self.canvas
        half = body.heart
        finding = self.findings.get("cardiomegaly")
        if finding is not None:
            half = body.lung * (0.60 + 0.13 * AMOUNT[finding.size] + self.rng.uniform(0, 0.02))
        bottom = body.base + 0.02
        left = canvas.ellipse(0.06 + 0.30 * half, bottom - 0.18, 0.92 * half, 0.20 + 0.22 * half, 0.06, turn=0.55)
        right = canvas.ellipse(-0.06 - 0.10 * half, bottom - 0.21, 0.50 * half + 0.02, 0.25 + 0.1 * half, 0.06)
        base = canvas.ellipse(0.03, bottom - 0.42, 0.17, 0.26, 0.08)
        heart = np.maximum(np.maximum(left, right), base)
        if finding is not None:
            self.boxes["cardiomegaly"] = canvas.box_of(heart, 0.5)
        return heart

    def soft_tissue(self) -> Array:
        body, canvas, rng = self.body, self.canvas, self.rng
        x, y = canvas.x, canvas.y
        shoulder = body.width + 0.30 * np.exp(-(((y + 0.62) / 0.28) ** 2)) + 0.05 * np.clip(y, 0, 1)
        neck = np.where(y < -0.80, np.clip((y + 0.80) / 0.2, -1, 0) * (body.width - 0.18), 0)
        outline = np.clip(shoulder + neck, 0.2, 1.3)
        inside = step(outline - np.abs(x), 0.04)
        thickness = np.sqrt(np.clip(1 - (x / (outline * 1.05)) ** 2, 0, 1)) * inside
        belly = step(y - body.base, 0.3)
        soft = thickness * (1.35 + 0.35 * body.fat) + belly * 0.5 * inside
        depth = np.sqrt(np.clip(1 - (np.abs(x) / (body.lung * 1.15)) ** 2, 0.12, 1))
        air = self.air * (1 - 0.88 * self.heart) * (1 - self.fluid)
        soft -= air * depth * 1.38 * (0.85 + 0.1 * clouds(self.side_px, rng, 0.08))
        middle = step(0.155 + 0.03 * np.clip(y, 0, 1) - np.abs(x), 0.06) * inside
        knob = canvas.ellipse(0.12, -0.26, 0.10, 0.11, 0.04)
        soft += 0.30 * middle + 0.35 * knob + 0.42 * self.heart * (1 - belly * 0.6)
        trachea = step(0.042 - np.abs(x - 0.01), 0.02) * step(-0.14 - y, 0.04)
        bronchi = sum(
            canvas.ellipse(s * 0.09, -0.09, 0.10, 0.022, 0.02, turn=s * 0.7) for s in (-1, 1)
        )
        soft -= 0.38 * trachea + 0.22 * bronchi
        if rng.random() < 0.6:
            soft -= 0.5 * canvas.ellipse(0.34, body.base + 0.2, 0.12, 0.06, 0.03)  # the stomach's bubble
        for sign in (-1, 1):
            soft += 0.28 * body.breasts * canvas.ellipse(sign * 0.40, body.base - 0.10, 0.27, 0.26, 0.06)
            soft += 0.18 * canvas.ellipse(sign * 0.62, -0.42, 0.14, 0.26, 0.05, turn=-sign * 0.25)  # scapula
        return soft + 0.3 * self.fluid * self.air

    def bones(self) -> Array:
        body, canvas = self.body, self.canvas
        ribs, edges = canvas.pen(), canvas.pen()
        t = np.linspace(0, 1, 14)
        for i in range(10):
            top = body.apex + 0.05 + i * 0.125
            reach = body.lung * np.sqrt(max(0.12, 1 - ((min(top, -0.3) + 0.3) / 0.55) ** 2)) + 0.03
            for sign in (-1, 1):
                x = sign * (0.08 + (reach - 0.08) * np.sin(t * np.pi / 2))
                y = top - 0.06 * np.sin(np.pi * t) + 0.20 * t**2
                ribs.line(x, y, 0.045)
                edges.line(x, y - 0.018, 0.009)
                edges.line(x, y + 0.018, 0.009)
                front = sign * (reach - (reach - 0.22) * t * 0.8)
                if i < 8:
                    ribs.line(front, top + 0.16 + 0.24 * t, 0.036, value=120)
        spine = step(0.085 - np.abs(canvas.x), 0.03) * (0.75 + 0.25 * np.sin(canvas.y * 2 * np.pi / 0.115))
        collar = canvas.pen()
        for sign in (-1, 1):
            x = sign * np.linspace(0.06, 0.72, 12)
            collar.line(x, body.apex + 0.13 - 0.10 * np.sin(np.linspace(0, 1, 12) * 2.4) + 0.05 * np.abs(x), 0.06)
            collar.line(sign * np.array([0.72, 0.92]), np.array([body.apex + 0.06, body.apex + 0.22]), 0.15, value=150)
        strength = self.rng.uniform(0.8, 1.15)
        return strength * (
            0.24 * ribs.read(0.006) + 0.14 * edges.read(0.003) + 0.26 * spine + 0.34 * collar.read(0.006)
        )

    def lung_markings(self) -> Array:
        """Hila and branching vessels; edema makes them full."""
        canvas, rng = self.canvas, self.rng
        pen = canvas.pen()
        full = 1.6 if "edema" in self.findings else 1.0
        for sign in (-1, 1):
            for _ in range(13):
                self.branch(pen, sign * 0.17, rng.normal(0.0, 0.05), rng.uniform(-1.45, 1.45), sign, 0.022 * full)
        hila = sum(canvas.ellipse(s * 0.20, 0.01 - 0.03 * (s > 0), 0.065, 0.12, 0.09) for s in (-1, 1))
        return (0.50 * pen.read(0.004) * self.air + 0.30 * full * hila) * (
            self.vessel_room * (1 - 0.7 * self.fluid) * (1 - 0.8 * self.heart)
        )

    def branch(self, pen, x: float, y: float, angle: float, sign: int, width: float) -> None:
        rng = self.rng
        while width > 0.004:
            length = rng.uniform(0.06, 0.11)
            x2, y2 = x + sign * np.cos(angle) * length, y + np.sin(angle) * length
            pen.line(np.array([x, x2]), np.array([y, y2]), width, value=int(min(255, 90 + 6500 * width)))
            if rng.random() < 0.5 and width > 0.007:
                self.branch(pen, x2, y2, angle + rng.choice([-1, 1]) * rng.uniform(0.35, 0.7), sign, width * 0.62)
            x, y, angle, width = x2, y2, angle + rng.normal(0, 0.18), width * 0.8

    # -- findings ------------------------------------------------------------------------------------------------------

    def sides(self, finding: Finding) -> tuple[tuple[str, int], ...]:
        both = (("right", -1), ("left", 1))
        return tuple(s for s in both if finding.side in (s[0], "bilateral"))

    def effusion(self, finding: Finding) -> None:
        for name, sign in self.sides(finding):
            x, y = self.canvas.x * sign, self.canvas.y
            base = self.body.base + (0.05 if sign > 0 else 0.0)
            height = 0.10 + 0.42 * AMOUNT[finding.size] + self.rng.uniform(0, 0.05)
            level = base + 0.16 - height - (0.10 + 0.12 * height) * np.clip(x / self.body.lung, 0, 1) ** 3
            fluid = step(y - level, 0.07) * (self.lungs[name] > 0.02)
            self.fluid = np.maximum(self.fluid, fluid)
            self.boxes["effusion"] = joined(self.boxes.get("effusion"), self.canvas.box_of(fluid * self.lungs[name]))

    def pneumothorax(self, finding: Finding) -> None:
        ((name, sign),) = self.sides(finding)
        x, y = self.canvas.x * sign, self.canvas.y
        width = 0.07 + 0.17 * AMOUNT[finding.size] + self.rng.uniform(0, 0.03)
        top = self.body.apex
        middle = top + 0.62
        rise = np.clip((middle - np.minimum(y - 1.2 * width, middle)) / (middle - top), 0, 1)
        shrunk = (self.body.lung - width) * np.clip(1 - rise**2.6, 0, 1) ** 0.6
        fade = step(self.body.base - 0.02 - y, 0.25)
        rim = step(x - shrunk, 0.012) * self.lungs[name] * fade
        line = np.exp(-(((x - shrunk) / 0.011) ** 2)) * self.lungs[name] * fade
        self.vessel_room = self.vessel_room * (1 - rim)
        self.pleural_line = 0.22 * line - 0.28 * rim
        self.boxes["pneumothorax"] = self.canvas.box_of(rim)

    def place(self, finding: Finding, reach: tuple[float, float]) -> tuple[float, float]:
        low, high = HEIGHTS[finding.site or "lower lobe"]
        sign = 1 if finding.side == "left" else -1
        return sign * self.body.lung * self.rng.uniform(*reach), self.rng.uniform(low, high)

    def consolidation(self, finding: Finding) -> Array:
        x, y = self.place(finding, (0.45, 0.68))
        size = 0.11 + 0.12 * AMOUNT[finding.size] + self.rng.uniform(0, 0.03)
        patch = np.zeros_like(self.canvas.x)
        for _ in range(6):
            dx, dy = self.rng.normal(0, 0.45 * size, 2)
            patch = np.maximum(patch, self.canvas.ellipse(x + dx, y + dy, size * 0.75, size * 0.65, size))
        patch *= (0.7 + 0.5 * clouds(self.side_px, self.rng, 0.05)) * self.air
        self.boxes["consolidation"] = self.canvas.box_of(patch)
        return 0.80 * patch * (1 - 0.6 * self.heart)

    def nodule(self, finding: Finding) -> Array:
        x, y = self.place(finding, (0.42, 0.78))
        radius = 0.042 + 0.045 * AMOUNT[finding.size] + self.rng.uniform(0, 0.01)
        spot = self.canvas.ellipse(x, y, radius, radius * self.rng.uniform(0.85, 1.0), 0.02)
        self.boxes["nodule"] = self.canvas.box_of(spot)
        return 0.62 * spot

    def edema(self, finding: Finding) -> Array:
        amount, canvas = AMOUNT[finding.size], self.canvas
        haze = sum(canvas.ellipse(s * 0.27, 0.04, 0.30, 0.42, 0.45) for s in (-1, 1))
        haze = haze * (0.55 + 0.8 * clouds(self.side_px, self.rng, 0.035)) * self.air
        pen = canvas.pen()
        for _ in range(16):
            sign = self.rng.choice([-1, 1])
            x, y = sign * (self.body.lung - self.rng.uniform(0.01, 0.09)), self.rng.uniform(0.0, self.body.base)
            pen.line(np.array([x, x - sign * 0.07]), np.array([y, y + 0.005]), 0.006)
        self.boxes["edema"] = canvas.box_of(haze)
        return (0.38 + 0.45 * amount) * haze + 0.18 * pen.read(0.003) * self.air

    def atelectasis(self, finding: Finding) -> Array:
        pen, sign = self.canvas.pen(), 1 if finding.side == "left" else -1
        amount = AMOUNT[finding.size]
        for _ in range(1 + round(2 * amount) + int(self.rng.integers(2))):
            y = self.body.base - self.rng.uniform(0.05, 0.20)
            x = sign * np.linspace(0.24, self.body.lung * self.rng.uniform(0.75, 0.92), 6)
            pen.line(x, y + self.rng.uniform(-0.08, 0.08) * np.linspace(0, 1, 6), 0.018 + 0.012 * amount)
        bands = pen.read(0.005) * self.air
        self.boxes["atelectasis"] = self.canvas.box_of(bands)
        return (0.62 + 0.15 * amount) * bands * (1 - 0.5 * self.heart)

    def pacemaker(self, finding: Finding) -> Array:
        canvas, sign = self.canvas, 1 if finding.side == "left" else -1
        x, y = sign * self.rng.uniform(0.42, 0.55), self.body.apex + self.rng.uniform(0.26, 0.38)
        case = canvas.ellipse(x, y, 0.105, 0.085, 0.012)
        pen, t = canvas.pen(), np.linspace(0, 1, 20)
        for depth in (0.0, 0.06)[: int(self.rng.integers(1, 3))]:
            tip = np.array([0.22 - 3 * depth, self.body.base - 0.08 - 2 * depth])
            path_x = x + (-0.05 - x) * np.sin(t * np.pi / 2) + (tip[0] + 0.05) * t**3
            path_y = y - 0.09 * np.sin(np.pi * t) + (tip[1] - y) * t**1.8
            pen.line(path_x, path_y, 0.011)
        self.boxes["pacemaker"] = canvas.box_of(case)
        return 1.9 * case + 0.8 * pen.read(0.002)


def joined(first: Box | None, second: Box) -> Box:
    if first is None:
        return second
    return (*(min(a, b) for a, b in zip(first[:2], second[:2], strict=True)),
            *(max(a, b) for a, b in zip(first[2:], second[2:], strict=True)))  # fmt: skip
