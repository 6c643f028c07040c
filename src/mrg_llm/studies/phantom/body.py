"""A random adult: the shape that both views of a study share, and the grid that films are drawn on.

Lengths are fractions of half the film: x runs from -1 (image left, the patient's right) to 1, y from -1 (top) to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Array = np.ndarray


@dataclass(frozen=True)
class Body:
    """width: of the chest. lung: half width of the lungs. apex, base: top and bottom of the lungs. heart: half width
    of the heart. fat: thickness of soft tissue. breasts: how large their shadows are, 0 for none."""

    width: float
    lung: float
    apex: float
    base: float
    heart: float
    fat: float
    breasts: float
    tilt: float
    shift: tuple[float, float]
    zoom: float


def draw_body(rng: np.random.Generator) -> Body:
    """A random habitus, position and tilt."""
    lung = rng.normal(0.66, 0.035)
    return Body(
        width=lung + rng.uniform(0.13, 0.24),
        lung=lung,
        apex=rng.normal(-0.80, 0.03),
        base=rng.normal(0.46, 0.05),
        heart=lung * rng.uniform(0.40, 0.475),
        fat=rng.uniform(0.6, 1.3),
        breasts=rng.choice([0.0, 1.0]) * rng.uniform(0.3, 1.0),
        tilt=np.radians(rng.normal(0, 1.5)),
        shift=(rng.normal(0, 0.025), rng.normal(0, 0.03)),
        zoom=rng.normal(1.0, 0.03),
    )


class Canvas:
    """The grid of one film: x and y as arrays, and pens that draw in the same coordinates."""

    def __init__(self, side_px: int, body: Body):
        self.side_px, self.body = side_px, body
        line = (np.arange(side_px, dtype=np.float32) + 0.5) / side_px * 2 - 1
        column, row = np.meshgrid(line, line)
        cos, sin = np.cos(body.tilt), np.sin(body.tilt)
        u, v = (column - body.shift[0]) / body.zoom, (row - body.shift[1]) / body.zoom
        self.x, self.y = cos * u + sin * v, -sin * u + cos * v

    def to_pixels(self, x: Array | float, y: Array | float) -> tuple[Array, Array]:
        """Body coordinates -> pixel coordinates (column, row)."""
        body = self.body
        cos, sin = np.cos(body.tilt), np.sin(body.tilt)
        u, v = cos * np.asarray(x) - sin * np.asarray(y), sin * np.asarray(x) + cos * np.asarray(y)
        place = [(c * body.zoom + s + 1) / 2 * self.side_px for c, s in zip((u, v), body.shift, strict=True)]
        return place[0], place[1]

    def pen(self) -> Pen:
        return Pen(self)

    def ellipse(self, x: float, y: float, rx: float, ry: float, soft: float = 0.03, turn: float = 0.0) -> Array:
        """1 inside, 0 outside, with an edge `soft` wide."""
        dx, dy = self.x - x, self.y - y
        cos, sin = np.cos(turn), np.sin(turn)
        radius = np.sqrt(((cos * dx + sin * dy) / rx) ** 2 + ((-sin * dx + cos * dy) / ry) ** 2)
        return step((1 - radius) * min(rx, ry), soft)

    def box_of(self, mask: Array, level: float = 0.35) -> tuple[float, float, float, float]:
        """The smallest box around a mask, as fractions of the film."""
        rows, columns = np.where(mask > level * max(float(mask.max()), 1e-6))
        side = self.side_px
        return (
            float(columns.min() / side), float(rows.min() / side),
            float((columns.max() + 1) / side), float((rows.max() + 1) / side),
        )  # fmt: skip


class Pen:
    """Lines and polygons drawn at twice the resolution, read back as an array 0..1."""

    def __init__(self, canvas: Canvas):
        self.canvas = canvas
        self.image = Image.new("L", (canvas.side_px * 2, canvas.side_px * 2))
        self.draw = ImageDraw.Draw(self.image)

    def line(self, x: Array, y: Array, width: float, value: int = 255) -> None:
        column, row = self.canvas.to_pixels(x, y)
        points = [(float(a) * 2, float(b) * 2) for a, b in zip(column, row, strict=True)]
        self.draw.line(points, fill=value, width=max(1, round(width * self.canvas.side_px)), joint="curve")

    def polygon(self, x: Array, y: Array, value: int = 255) -> None:
        column, row = self.canvas.to_pixels(np.asarray(x), np.asarray(y))
        self.draw.polygon([(float(a) * 2, float(b) * 2) for a, b in zip(column, row, strict=True)], fill=value)

    def read(self, blur: float = 0.004) -> Array:
        """blur: as a fraction of the film's half side."""
        soft = self.image.filter(ImageFilter.GaussianBlur(blur * self.canvas.side_px))
        return np.asarray(soft.resize((self.canvas.side_px,) * 2, Image.BOX), np.float32) / 255


def step(distance: Array, soft: float) -> Array:
    """0 to 1 across an edge `soft` wide."""
    return 1 / (1 + np.exp(-np.clip(distance / (soft / 4), -30, 30)))


def clouds(side_px: int, rng: np.random.Generator, grain: float) -> Array:
    """Smooth random texture in 0..1; grain: the size of its lumps as a fraction of the film."""
    cells = max(3, round(1 / grain))
    noise = Image.fromarray((rng.random((cells, cells)) * 255).astype(np.uint8))
    return np.asarray(noise.resize((side_px, side_px), Image.BICUBIC), np.float32) / 255


def develop(absorption: Array, side_px: int, rng: np.random.Generator, exposure: float) -> Array:
    """Absorption along each ray -> the film a detector and its processing give, 8 bit.

    Scatter veils fine contrast, quanta are noisier where little passes, and the displayed value rises with absorption
    through the usual S-shaped curve.
    """
    coarse = Image.fromarray(absorption.astype(np.float32)).resize((12, 12), Image.BOX)
    scatter = np.asarray(coarse.resize((side_px, side_px), Image.BICUBIC), np.float32)
    absorption = 0.86 * absorption + 0.14 * scatter
    absorption = absorption + rng.normal(0, 1, absorption.shape) * 0.012 * np.exp(absorption * 0.35)
    value = 1 / (1 + np.exp(-(absorption - exposure) * 1.55))
    return (np.clip(value, 0, 1) * 255).astype(np.uint8)
