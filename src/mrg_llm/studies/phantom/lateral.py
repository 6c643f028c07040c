"""The lateral film: rays run from side to side, the breastbone is at the image's left and the spine at its right."""

from __future__ import annotations

import numpy as np

from mrg_llm.studies.phantom.anatomy import SIDES, Array, overlap
from mrg_llm.studies.phantom.film import Pen, step
from mrg_llm.studies.phantom.projection import LUNG, Projection


class Lateral(Projection):
    """Tissue, bones and findings as seen from the side; see `Projection`."""

    along = "x"
    middle_u = 0.0
    zoom = 0.93
    processing = (84, 0.30)
    spread = 1.0

    def lungs(self) -> dict[str, Array]:
        body, y, z = self.body, self.u, self.z
        a, b, middle = body.cavity(z)
        half = a * np.sqrt(np.clip(1 - ((y - middle) / b) ** 2, 0, None))
        heart = self.heart()
        if "cardiomegaly" in self.has:
            self.box("cardiomegaly", heart[1] - heart[0], 0.25)
        between = 1.3 + 0.9 * np.exp(-(((y - 1) / 3) ** 2))
        self.chords: dict[str, Array] = {}
        lung = {}
        for side, sign in SIDES.items():
            near, far = np.minimum(between, half), half
            cavity = (near, far) if sign > 0 else (-far, -near)
            top, x0, kx, y0, ky = body.dome(side)
            below = np.sqrt(np.clip((z - top - ky * (y - y0) ** 2) / kx, 0, None))
            dome = (sign * x0 - below, sign * x0 + below)
            free = far - near - np.maximum(0.75 * self.displaced(cavity, heart), overlap(cavity, dome))
            self.chords[side] = np.clip(free, 0, None)
            lung[side] = self.chords[side] * (1 - self.fluid(side))
        return lung

    def fluid(self, side: str) -> Array:
        height = self.scene.height(side)
        if not height:
            return np.zeros_like(self.u)
        top = self.body.dome(side)[0]
        _, b, middle = self.body.cavity(self.z)
        off = np.clip((self.u - middle) / b, -1, 1)
        level = top + 5.2 - height - (1.5 + 0.22 * height) * np.where(off > 0, off**4, 0.6 * off**4)
        full = step(self.z - level - 0.5, 2.0 + 0.35 * height)
        self.box("effusion", full * np.clip(self.chords[side], 0, 3), 0.2)
        return full

    def trunk(self) -> Array:
        body, canvas = self.body, self.canvas
        a, b, middle = body.skin(self.z, arms_up=True)
        trunk = 2 * a * np.clip(1 - np.abs((self.u - middle) / b) ** 2.4, 0, None) ** 0.45
        if body.breasts:
            z, size = 0.80 * body.height, body.breast_size
            below = np.where(self.z > z, 0.75, 1.35)
            front = -body.depth - 0.5
            round_ = ((self.u - front) / (1.2 + 1.1 * body.breasts)) ** 2 + ((self.z - z) / (size * below)) ** 2
            trunk = np.maximum(trunk, 1.2 * size * np.sqrt(np.clip(1 - round_, 0, None)))
        up = -9.0 - body.arm
        arms = canvas.capsule((1.0, 0.5), (-17.0, up), 4.4) + canvas.capsule((2.0, 0.0), (-16.0, up - 2), 4.4)
        shoulders = 2.0 * np.exp(-canvas.spot(2.0, 0.0, 7.0, 4.5))
        belly = step(self.z - body.height - 3, 9.0) * (trunk > 1)
        return trunk + 0.55 * arms + shoulders + 2.0 * belly - self.airways() - self.stomach()

    def airways(self) -> Array:
        carina = self.body.carina
        tube = self.canvas.capsule((0.2, -12), (1.6, carina + 0.5), 0.9)
        return 1.2 * np.maximum(tube, self.canvas.capsule((1.6, carina + 1.2), (1.7, carina + 1.3), 0.75))

    def stomach(self) -> Array:
        rng, top = self.rng, self.body.dome("left")[0]
        wide, high = rng.uniform(1.5, 3.0), rng.uniform(0.8, 1.7)
        bubble = 4.0 * np.sqrt(np.clip(1 - self.canvas.spot(-0.5, top + 1.4 + high, wide, high), 0, None))
        return bubble if rng.random() < 0.7 else np.zeros_like(bubble)

    def hila(self) -> list[tuple[float, float, int]]:
        z = self.body.carina + 2.4
        return [(1.2, z, -1), (1.6, z, 1)]

    def bones(self) -> Array:
        return 0.6 * self.ribs() + self.spine() + self.front()

    def spine(self) -> Array:
        """Blocks of bone along the curve of the back, with their end plates and the arches behind them."""
        pen, marks, body = Pen(self.canvas), Pen(self.canvas), self.body
        z = -12.0
        while z < body.height + 16:
            gap = 1.75 + 0.032 * (z + 12)
            y, lean = self.back(z), (self.back(z + 1) - self.back(z - 1)) / 2
            deep, high = 1.25 + 0.016 * (z + 12), 0.42 * gap
            corner = np.array([-deep, deep, deep, -deep])
            u = y + corner + lean * high * np.array([-1, -1, 1, 1])
            w = z + high * np.array([-1, -1, 1, 1]) - lean * corner * 0.8
            pen.polygon(u, w, 0.42, outline=0.75)
            marks.line(
                np.array([y + deep + 0.6, y + deep + 2.4]),
                np.array([z, z + 1.5]),
                0.55,
                0.6,
            )
            marks.line(
                np.array([y + deep, y + deep + 0.9]),
                np.array([z - 0.2, z + 0.1]),
                0.7,
                0.5,
            )
            z += gap
        return 3.0 * pen.read(0.06) + 1.3 * marks.read(0.1)

    def back(self, z: float) -> float:
        """y of the spine's middle at height z."""
        _, b, middle = self.body.cavity(np.asarray(max(z, 0.0)))
        chest = float(middle + b) - 1.2
        bend = 1.1 * np.sin(np.clip(z / self.body.height, -0.4, 1.6) * np.pi)
        return min(chest, 0.55 * self.body.depth + 1.6) * (0.75 if z < 0 else 1.0) + 0.5 * bend

    def front(self) -> Array:
        """Breastbone, shoulder blades and upper arms."""
        body, canvas = self.body, self.canvas
        pen, soft = Pen(canvas), Pen(canvas)
        z = np.linspace(2.6, 0.78 * body.height, 12)
        _, b, middle = body.cavity(z)
        y = middle - b - 0.7
        pen.line(y, z, 1.15, 0.55)
        pen.line(y, z, 0.65, 0.35)
        for shift in (0.0, 1.3):
            blade = np.array([[2.2, 1.0], [5.4, 4.5], [6.6, 11.5]])
            soft.line(blade[:, 0] + shift, blade[:, 1], 0.7, 0.4)
            soft.line(
                np.array([1.5, -17.0]) + shift,
                np.array([0.0, -9.0 - body.arm]),
                2.2,
                0.6,
            )
        return 2.0 * pen.read(0.05) + 1.5 * soft.read(0.12)

    # -- findings ------------------------------------------------------------------------------------------------------

    def pneumothorax(self) -> Array:
        """From the side the other lung lies over it: the top of the chest is a little darker, and no box is given."""
        side = self.has["pneumothorax"].side or "left"
        rim = self.scene.rim(self.z)
        return -0.7 * LUNG * self.lung[side] * (1 - step(self.z - 1.3 * rim, 1.0))

    def septa(self) -> Array:
        pen, rng = Pen(self.canvas), self.rng
        for _ in range(5):
            z, y = (
                rng.uniform(0.55, 0.85) * self.body.height,
                rng.uniform(-0.7, 0.2) * self.body.depth,
            )
            pen.line(np.array([y, y + 1.4]), np.array([z, z + 0.2]), 0.15, 0.8)
        return pen.read(0.03)

    def base_bands(self, side: str, count: int) -> list[tuple[float, float, float]]:
        rng, top = self.rng, self.body.dome(side)[0]
        starts = rng.uniform(-2.0, 1.0, count)
        return [(float(s), float(s) + rng.uniform(3.5, 6.0), top - rng.uniform(0.4, 2.4)) for s in starts]
