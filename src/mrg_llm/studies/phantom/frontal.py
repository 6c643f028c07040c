"""The frontal film: rays run from back to front, the patient's right is at the image's left."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from mrg_llm.studies.phantom.anatomy import SIDES, Array, overlap
from mrg_llm.studies.phantom.film import Pen, step
from mrg_llm.studies.phantom.projection import LUNG, TISSUE, Projection


class Frontal(Projection):
    """Tissue, bones and findings as seen from the front; see `Projection`."""

    along = "y"

    def lungs(self) -> dict[str, Array]:
        body, z = self.body, self.z
        x = self.u + 0.0
        a, b, middle = body.cavity(z)
        half = b * np.sqrt(np.clip(1 - (x / a) ** 2, 0, None))
        cavity = (middle - half, middle + half)
        taken = self.displaced(cavity, self.heart())
        if "cardiomegaly" in self.has:
            self.box("cardiomegaly", np.subtract(*self.heart()[::-1]), 0.25)
        # Between the lungs: narrow at the neck and behind the breastbone, wide at the roots and the spine.
        border = 2.0 + 0.5 * np.exp(-(((z - body.carina - 1) / 5) ** 2)) + 1.0 * np.clip(1 - z / 5, 0, 1)
        self.chords: dict[str, Array] = {}
        lung = {}
        for side, sign in SIDES.items():
            top, x0, kx, y0, ky = body.dome(side)
            below = np.sqrt(np.clip((z - top - kx * (np.abs(x) - x0) ** 2) / ky, 0, None))
            free = 2 * half - np.maximum(taken, overlap(cavity, (y0 - below, y0 + below)))
            free = np.clip(free, 0, None) * (0.12 + 0.88 * step(sign * x - border, 2.0)) * (sign * x > 0)
            self.chords[side] = free
            lung[side] = free * (1 - self.fluid(side))
        return lung

    def fluid(self, side: str) -> Array:
        """Share of one lung's air that an effusion has replaced; its surface rises towards the wall."""
        height = self.scene.height(side)
        if not height:
            return np.zeros_like(self.u)
        top = self.body.dome(side)[0]
        across = np.clip(np.abs(self.u) / self.body.lung, 0, 1)
        level = top + 4.2 - height - (1.2 + 0.42 * height) * across**3 - 0.10 * height * (1 - across) ** 2
        full = step(self.z - level - 0.5, 2.0 + 0.35 * height)
        self.box("effusion", full * np.clip(self.chords[side], 0, 3), 0.2)
        return full

    def trunk(self) -> Array:
        body, canvas = self.body, self.canvas
        a, b, _ = body.skin(self.z)
        trunk = 2 * b * np.clip(1 - np.abs(self.u / a) ** 2.5, 0, None) ** 0.42
        for sign in (-1, 1):
            arm = canvas.capsule(
                (sign * (16.6 + body.shoulder), 3.6),
                (sign * (17.5 + body.shoulder + body.arm), 26),
                4.0,
            )
            trunk = np.maximum(trunk, arm)
            if body.breasts:
                u, z, size = (
                    sign * 0.62 * body.lung,
                    0.80 * body.height,
                    body.breast_size,
                )
                below = np.where(self.z > z, 0.75, 1.35)
                round_ = ((self.u - u) / size) ** 2 + ((self.z - z) / (size * below)) ** 2
                trunk = trunk + body.breasts * np.sqrt(np.clip(1 - round_, 0, None))
        belly = step(self.z - body.height - 3, 9.0) * (trunk > 1)
        return trunk + 1.6 * belly - self.airways() - self.stomach()

    def airways(self) -> Array:
        """cm of air in trachea and main bronchi."""
        canvas, carina = self.canvas, self.body.carina
        tube = canvas.capsule((0.0, -12), (0.35, carina - 0.3), 0.85)
        for sign in (-1, 1):
            tube = np.maximum(
                tube,
                canvas.capsule(
                    (0.3, carina),
                    (0.3 + sign * 3.4, carina + (2.4 if sign > 0 else 3.0)),
                    0.6,
                ),
            )
        return 1.5 * tube

    def stomach(self) -> Array:
        rng, body = self.rng, self.body
        top = body.dome("left")[0]
        wide, high = rng.uniform(1.6, 3.4), rng.uniform(0.8, 1.9)
        u, z = 0.45 * body.lung + rng.normal(0, 0.8), top + 1.6 + high
        bubble = 3.6 * np.sqrt(np.clip(1 - self.canvas.spot(u, z, wide, high, rng.normal(0, 0.2)), 0, None))
        return bubble if rng.random() < 0.7 else np.zeros_like(bubble)

    def hila(self) -> list[tuple[float, float, int]]:
        return [(-3.2, self.body.carina + 3.0, -1), (3.2, self.body.carina + 2.2, 1)]

    def bones(self) -> Array:
        return self.ribs() + self.spine() + self.girdle()

    def spine(self) -> Array:
        pen, marks = Pen(self.canvas), Pen(self.canvas)
        z, gap = -12.0, 0.0
        while z < self.body.height + 16:
            gap = 1.75 + 0.032 * (z + 12)
            wide, high = 1.35 + 0.018 * (z + 12), 0.40 * gap
            u = np.array([-wide, -0.9 * wide, -wide, wide, 0.9 * wide, wide])
            pen.polygon(u, z + high * np.array([-1, 0, 1, 1, 0, -1]), 0.55)
            for edge in (-high, high):
                marks.line(np.array([-wide, wide]), np.array([z + edge, z + edge]), 0.16, 0.5)
            for sign in (-1, 1):
                marks.line(
                    sign * np.array([wide, wide + 1.0]),
                    np.array([z - 0.3 * gap, z - 0.4 * gap]),
                    0.6,
                    0.35,
                )
                marks.disc(sign * 0.68 * wide, z - 0.1, 0.30, 0.51)
            marks.line(np.zeros(2), np.array([z + 0.1, z + 0.8]), 0.42, 0.6)
            z += gap
        return 0.5 * pen.read(0.06) + 0.7 * marks.read(0.06)

    def girdle(self) -> Array:
        """Clavicles, shoulder blades and upper arms."""
        body, s = self.body, self.body.shoulder
        collar, blade = Pen(self.canvas), Pen(self.canvas)
        t = np.linspace(0, 1, 14)
        for sign in (-1, 1):
            x = 1.4 + (13.6 + s) * t
            z = 3.3 + body.clavicle - (3.4 + body.clavicle) * t**0.8 + 0.9 * np.sin(2 * np.pi * t) * (1 - 0.3 * t)
            blade.polygon(sign * np.array([11.2, 12.6, 15.4, 16.2, 14.9, 13.6, 12.4]) + sign * s,
                          np.array([3.0, 1.6, 2.2, 4.6, 8.0, 14.0, 13.2]), 0.20, outline=0.42)  # fmt: skip
            blade.line(
                sign * (np.array([11.4, 14.0, 17.6]) + s),
                np.array([3.6, 2.0, 0.6]),
                0.9,
                0.42,
            )
            blade.line(
                sign * (np.array([15.9, 14.2, 13.2]) + s),
                np.array([5.0, 10.0, 14.0]),
                0.5,
                0.5,
            )
            blade.disc(sign * (15.6 + s), 3.6, 0.9, 0.47)
            collar.disc(sign * (17.2 + s), 3.3, 2.2, 0.39)
            arm = np.array([17.4 + s, 17.9 + s + body.arm])
            collar.line(sign * arm, np.array([3.8, 26]), 2.1, 0.62)
            collar.line(sign * arm, np.array([4.8, 26]), 1.2, 0.34)
            collar.line(sign * x, z, 1.25, 0.62)
            collar.line(sign * x[1:-1], z[1:-1], 0.75, 0.42)
            collar.disc(sign * 1.9, float(z[0]) - 0.1, 0.85, 0.53)
        return 2.3 * collar.read(0.05) + 1.5 * blade.read(0.08)

    # -- findings ------------------------------------------------------------------------------------------------------

    @cached_property
    def free_air(self) -> tuple[Array, Array]:
        """Where a pneumothorax is, 0..1, and the absorption it changes: less outside, a thin line, a denser lung."""
        side = self.has["pneumothorax"].side or "left"
        rim, edge = self.scene.rim(self.z), self.scene.edge(self.z)
        gap = (SIDES[side] * self.u - edge) / np.sqrt(1 + np.gradient(edge, axis=0) ** 2 * self.canvas.scale**2)
        free = np.clip(self.lung[side] / 3, 0, 1)
        outside = step(gap, 0.35) * free
        self.box("pneumothorax", outside, 0.5)
        line = np.exp(-((gap / 0.13) ** 2)) * free * (self.z > 0.9 * rim * 0.5)
        denser = (1 - step(gap, 0.4)) * np.clip(self.lung[side], 0, None) * 0.012 * rim
        change = 0.20 * line - LUNG * outside * self.lung[side] * 0.9 + TISSUE * denser
        return outside, change

    def pneumothorax(self) -> Array:
        return self.free_air[1]

    def inside(self, markings: Array, air: Array) -> Array:
        seen = super().inside(markings, air)
        if "pneumothorax" in self.has:
            seen = seen * (1 - self.free_air[0])  # no vessel runs beyond the edge of the lung
        return seen

    def septa(self) -> Array:
        pen, rng = Pen(self.canvas), self.rng
        for _ in range(8 + round(14 * self.scene.severity["edema"])):
            z = rng.uniform(0.52, 0.98) * self.body.height
            wall = float(self.body.cavity(np.asarray(z))[0]) - rng.uniform(0.1, 0.4)
            sign, length = rng.choice([-1, 1]), rng.uniform(1.0, 2.0)
            pen.line(
                sign * np.array([wall, wall - length]),
                np.array([z, z + rng.uniform(-0.2, 0.2)]),
                0.17,
                1.0,
            )
        return 1.3 * pen.read(0.03)

    def base_bands(self, side: str, count: int) -> list[tuple[float, float, float]]:
        rng, sign, top = self.rng, SIDES[side], self.body.dome(side)[0]
        inner = 0.32 if side == "right" else 0.52
        spans = [(rng.uniform(inner, inner + 0.15), rng.uniform(0.74, 0.90)) for _ in range(count)]
        return [
            (sign * a * self.body.lung, sign * b * self.body.lung, top - rng.uniform(0.7, 3.2)) for a, b in spans
        ]  # fmt: skip
