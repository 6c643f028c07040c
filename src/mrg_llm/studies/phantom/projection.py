"""What frontal and lateral films have in common: the lungs' markings, the ribs, and findings that are solids in space.

A projection keeps absorption a ray in layers: tissue, bone, metal. u is x in the frontal film and y in the lateral one.
"""

from __future__ import annotations

import math

import numpy as np

from mrg_llm.studies.phantom.anatomy import SIDES, Array, Body, Interval, hull, overlap
from mrg_llm.studies.phantom.film import Box, Canvas, Pen, clouds, develop, step
from mrg_llm.studies.phantom.findings import Scene

TISSUE, LUNG, BONE, METAL = 0.185, 0.042, 0.30, 1.6  # absorption a centimetre


class Projection:
    """One film being made. Subclasses say how rays run: `along`, `middle_u`, `lungs`, `trunk`, `bones`."""

    along = "y"
    middle_u = 0.0
    zoom = 1.0
    processing = (93, 0.15)  # of `film.develop`
    spread = 0.3  # of the points where vessels start, cm

    def __init__(self, scene: Scene, side_px: int, rng: np.random.Generator):
        self.scene, self.rng = scene, rng
        self.body: Body = scene.body
        field = self.body.field * self.zoom
        self.canvas = Canvas(side_px, self.body, field, (self.middle_u, field / 2 - 5.0))
        self.u, self.z = self.canvas.u, self.canvas.z
        self.boxes: dict[str, Box] = {}
        self.has = scene.findings
        self.lung = self.lungs()  # side -> cm of lung along each ray

    def develop(self) -> Array:
        """The developed film, 8 bit (side, side). Fills `boxes`."""
        air = self.lung["left"] + self.lung["right"]
        side = self.canvas.side_px
        grain = 0.06 * clouds(side, self.rng, 0.07) + 0.05 * clouds(side, self.rng, 0.022) + 0.06 * clouds(
            side, self.rng, 0.011
        )  # fmt: skip
        absorption = TISSUE * (self.trunk() - air) + LUNG * air * (1 + 1.6 * grain)
        absorption = (
            absorption + (TISSUE - LUNG) * self.inside(self.markings(), air) + BONE * self.body.bone * self.bones()
        )
        absorption = absorption + (TISSUE - LUNG) * self.filled(air)
        if "pneumothorax" in self.has:
            absorption = absorption + self.pneumothorax()
        if "pacemaker" in self.has:
            absorption = absorption + METAL * self.pacemaker()
        return develop(
            np.clip(absorption, 0, None).astype(np.float32), self.canvas, self.rng, self.processing, self.along == "y"
        )

    def lungs(self) -> dict[str, Array]:
        raise NotImplementedError

    def trunk(self) -> Array:
        raise NotImplementedError

    def bones(self) -> Array:
        raise NotImplementedError

    def hila(self) -> list[tuple[float, float, int]]:
        """(u, z, side) where vessels start."""
        raise NotImplementedError

    def pneumothorax(self) -> Array:
        raise NotImplementedError

    # -- lungs ---------------------------------------------------------------------------------------------------------

    def heart(self) -> Interval:
        return hull([part.interval(self.along, self.u, self.z) for part in self.body.heart])

    def displaced(self, cavity: Interval, solids: Interval) -> Array:
        """cm of a lung's interval that heart and great vessels take."""
        taken = 1.25 * overlap(cavity, solids)  # blood absorbs more than the trunk's mean tissue
        for vessel in self.body.vessels:
            taken = np.maximum(taken, overlap(cavity, vessel.interval(self.along, self.u, self.z)))
        return taken

    def box(self, name: str, mask: Array, level: float = 0.3) -> None:
        """The finding's box; the box around both where it has one already."""
        new, old = self.canvas.box_of(mask, level), self.boxes.get(name)
        if new is None:
            return
        if old is not None:
            new = (
                min(old[0], new[0]),
                min(old[1], new[1]),
                max(old[2], new[2]),
                max(old[3], new[3]),
            )
        self.boxes[name] = new

    def inside(self, markings: Array, air: Array) -> Array:
        """What is in the lungs is seen where there is lung along the ray."""
        return markings * np.clip(air / 4.0, 0, 1)

    def markings(self) -> Array:
        """cm of vessel along each ray: trees that grow from the hila; edema fills them."""
        rng, edema = self.rng, self.scene.severity.get("edema")
        full = 1.0 if edema is None else 1.25 + 0.35 * edema
        segments: list[tuple[float, ...]] = []
        roots = np.zeros_like(self.u)
        for u, z, sign in self.hila():
            roots = roots + np.exp(-(self.canvas.spot(u + 0.5 * sign, z, 1.3, 2.1, -0.25 * sign) ** 1.3))
            for turn in np.linspace(-1.45, 1.45, 11):
                start = u + rng.normal(0, self.spread), z + 1.6 * turn + rng.normal(0, self.spread)
                self.branch(segments, *start, turn + rng.normal(0, 0.15), sign, 0.52 * full)
        pen = Pen(self.canvas)
        pen.segments(np.array(segments))
        return 1.6 * full * roots + 2.6 * pen.read(0.03 if edema is None else 0.09)

    def branch(
        self, segments: list[tuple[float, ...]], u: float, z: float, turn: float, sign: int, width: float
    ) -> None:
        """Adds one vessel and what grows from it, as rows (u, z, end u, end z, width, value)."""
        rng = self.rng
        while width > 0.09:
            length, fork, bend = rng.uniform(0.9, 1.7), rng.random(), rng.normal(0, 0.16)
            u2, z2 = u + sign * math.cos(turn) * length, z + math.sin(turn) * length
            segments.append((u, z, u2, z2, max(width, 0.16), 0.06 + 1.25 * width))
            if fork < 0.62 and width > 0.14:
                away = rng.uniform(0.3, 0.75)
                self.branch(segments, u2, z2, turn + (away if fork < 0.31 else -away), sign, width * 0.66)
            u, z, turn, width = u2, z2, turn + bend, width * 0.845

    # -- bone ----------------------------------------------------------------------------------------------------------

    def ribs(self, sides: tuple[str, ...] = ("right", "left")) -> Array:
        """cm of rib along each ray: an oval tube, thicker where it runs along the ray."""
        total = np.zeros_like(self.u)
        across = 0 if self.along == "y" else 1
        for side in sides:
            back, front = Pen(self.canvas), Pen(self.canvas)
            curves = []
            for number in range(11):
                points = self.body.rib(number, side)
                steps = np.diff(points, axis=0)
                ratio = np.linalg.norm(steps, axis=1) / np.maximum(np.hypot(steps[:, across], steps[:, 2]), 0.05)
                curves.append((points[:, across], points[:, 2], np.clip(ratio, 1, 2.4)))
            for shrink, level in ((1.0, 0.42), (0.60, 0.30)):
                for number, (u, z, ratio) in enumerate(curves):
                    wide = (1.25 if number else 1.6) * shrink
                    half = 10
                    back.line(u[:half], z[:half], wide, level * ratio[: half - 1])
                    if number < 9:
                        front.line(
                            u[half - 1 :],
                            z[half - 1 :],
                            wide * 1.1,
                            level * 0.75 * ratio[half - 1 :],
                        )
            total += 1.35 * back.read(0.05) + 1.2 * front.read(0.07)
        return total

    # -- findings that fill air ----------------------------------------------------------------------------------------

    def filled(self, air: Array) -> Array:
        """cm of air that findings fill with water or cells, and their boxes."""
        total = np.zeros_like(self.u)
        for name in ("consolidation", "nodule", "edema", "atelectasis"):
            if name in self.has:
                total = total + getattr(self, name)(air)
        return total

    def at(self, name: str) -> tuple[float, float]:
        x, y, z = self.scene.centers[name]
        return (x if self.along == "y" else y), z

    def consolidation(self, air: Array) -> Array:
        (u, z), rng, size = (
            self.at("consolidation"),
            self.rng,
            self.scene.patch,
        )
        clear = np.ones_like(self.u)
        for _ in range(7):
            du, dz = rng.normal(0, 0.42 * size, 2)
            radius = size * rng.uniform(0.5, 0.85)
            clear = clear * (1 - 0.9 * np.exp(-self.canvas.spot(u + du, z + dz, radius, 0.85 * radius)))
        side = self.canvas.side_px
        fluff = 1 + 0.35 * clouds(side, rng, 0.045) + 0.20 * clouds(side, rng, 0.016)
        own = self.lung[self.has["consolidation"].side or "left"]
        patch = np.clip((1 - clear) * fluff, 0, 1.3) * np.minimum(2.2 * size, 0.55 * own)
        self.box("consolidation", patch, 0.35)
        return patch

    def nodule(self, air: Array) -> Array:
        (u, z), radius = self.at("nodule"), self.scene.nodule_mm / 20
        round_ = self.canvas.spot(u, z, radius, radius * self.rng.uniform(0.88, 1.0), self.rng.uniform(0, 3))
        ball = 2 * radius * np.sqrt(np.clip(1 - round_, 0, None)) * 2.2  # to be seen beside ribs and vessels
        self.box("nodule", ball, 0.05)
        return ball

    def edema(self, air: Array) -> Array:
        much, side = self.scene.severity["edema"], self.canvas.side_px
        haze = np.zeros_like(self.u)
        for u, z, sign in self.hila():
            haze = haze + np.exp(-self.canvas.spot(u + 1.6 * sign, z + 1.0, 5.4 + 1.5 * much, 7.2 + 2 * much))
        lumps = (
            1
            + 0.35 * clouds(side, self.rng, 0.06)
            + 0.25 * clouds(side, self.rng, 0.018)
            + 0.2 * clouds(side, self.rng, 0.01)
        )
        haze = np.minimum(haze, 1.2) * np.clip(lumps, 0.2, None) * np.clip(air / 8, 0, 1)
        self.box("edema", haze, 0.35)
        return (2.2 + 7.0 * much) * haze + self.septa() * np.clip(air / 3, 0, 1)

    def septa(self) -> Array:
        """Thin lines at the edge of the lung bases."""
        return np.zeros_like(self.u)

    def atelectasis(self, air: Array) -> Array:
        finding, much, rng = (
            self.has["atelectasis"],
            self.scene.severity["atelectasis"],
            self.rng,
        )
        pen, side = Pen(self.canvas), finding.side or "left"
        for start, end, z in self.base_bands(side, 1 + round(1.6 * much) + int(rng.integers(2))):
            t = np.linspace(0, 1, 8)
            bow = rng.uniform(-0.2, 0.2) * np.sin(np.pi * t) + rng.uniform(-1.2, 1.2) * (t - 0.5)
            pen.line(
                start + (end - start) * t,
                z + bow,
                rng.uniform(0.32, 0.44) + 0.36 * much,
                1.0,
            )
        bands = pen.read(0.06) * np.clip(self.lung[side] / 3, 0, 1)
        self.box("atelectasis", bands)
        return (2.7 + 0.4 * much) * bands

    def base_bands(self, side: str, count: int) -> list[tuple[float, float, float]]:
        """(start u, end u, z) of plates of collapsed lung above one dome."""
        raise NotImplementedError

    # -- device --------------------------------------------------------------------------------------------------------

    def leads(self) -> list[Array]:
        """Points (n, 3) of each lead: under the clavicle, down the upper vena cava, into the right heart."""
        body, sign = self.body, SIDES[self.has["pacemaker"].side or "left"]
        left, right, _ = body.heart
        start = np.array([sign * 9.0, -0.9 * body.depth, 5.5])
        way = [start, (sign * 7.4, -6.0, 2.6), (sign * 3.6, -3.0, 1.9), (-1.2, -0.8, body.carina - 3.6),
               (-2.0, -0.2, body.carina + 1.5)]  # fmt: skip
        x, y, z = right.center
        low = left.center[2] + 0.55 * left.axes[2]
        ventricle = [
            (x - 0.3, y, z + 1.2),
            (x + 2.0, y - 0.6, low + 0.3),
            (left.center[0] + 0.35 * left.axes[0], y - 2.0, low),
        ]
        atrium = [(x + 0.5, y, z + 0.6), (x + 0.9, y - 1.6, z - 1.6)]
        return [smooth_path([*way, *ventricle]), smooth_path([*way, *atrium])]

    def pacemaker(self) -> Array:
        """cm of metal along each ray."""
        body, sign = self.body, SIDES[self.has["pacemaker"].side or "left"]
        pen, across = Pen(self.canvas), 0 if self.along == "y" else 1
        for path in self.leads()[: 1 + int(self.scene.severity["pacemaker"] > 0.5)]:
            pen.line(path[:, across], path[:, 2], 0.22, 0.55)
            pen.line(path[-3:, across], path[-3:, 2], 0.32, 0.9)
        u, wide = (sign * 9.4, 2.3) if across == 0 else (-0.9 * body.depth - 0.5, 0.75)
        round_ = np.abs((self.u - u) / wide) ** 3 + np.abs((self.z - 6.2) / 2.1) ** 3
        case = step(1 - round_, 0.15) * (0.85 + 0.25 * (np.abs(self.u - u) < 0.5 * wide))
        self.box("pacemaker", np.maximum(case, pen.read() * 2), 0.4)
        return case + 0.8 * pen.read(0.02)


def smooth_path(points: list) -> Array:
    """A curve (n, 3) through points, its corners cut."""
    path = np.asarray(points, dtype=float)
    for _ in range(3):
        cut = np.empty((2 * len(path) - 2, 3))
        cut[0::2], cut[1::2] = (
            0.75 * path[:-1] + 0.25 * path[1:],
            0.25 * path[:-1] + 0.75 * path[1:],
        )
        path = np.concatenate([path[:1], cut, path[-1:]])
    return path
