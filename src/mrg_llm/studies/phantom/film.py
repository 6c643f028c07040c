"""The film: a grid of rays through the body, pens for what is thin, and what detector and processing make of it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mrg_llm.studies.phantom.anatomy import Array, Body

Box = tuple[float, float, float, float]
USUAL_RANGE = 2.9  # of optical density between clear lung and what is shown as bright


class Canvas:
    """u (across) and z (down) of every pixel in centimetres of the body, and the way back."""

    def __init__(self, side_px: int, body: Body, field: float, middle: tuple[float, float]):
        self.side_px = side_px
        self.scale = side_px / field  # pixels a centimetre
        self.cos, self.sin = float(np.cos(body.tilt)), float(np.sin(body.tilt))
        self.middle = (middle[0] + body.shift[0], middle[1] + body.shift[1])
        line = ((np.arange(side_px, dtype=np.float32) + 0.5) / side_px - 0.5) * field
        column, row = np.meshgrid(line, line)
        self.u = (self.cos * column + self.sin * row + self.middle[0]).astype(np.float32)
        self.z = (-self.sin * column + self.cos * row + self.middle[1]).astype(np.float32)

    def to_pixels(self, u: Array, z: Array) -> tuple[Array, Array]:
        """Centimetres -> pixels (column, row)."""
        du, dz = np.asarray(u) - self.middle[0], np.asarray(z) - self.middle[1]
        half = self.side_px / 2
        return (self.cos * du - self.sin * dz) * self.scale + half, (self.sin * du + self.cos * dz) * self.scale + half

    def spot(self, u: float, z: float, ru: float, rz: float, turn: float = 0.0) -> Array:
        """Squared distance from (u, z) in units of the half axes: 1 on the ellipse."""
        du, dz = self.u - u, self.z - z
        cos, sin = np.cos(turn), np.sin(turn)
        return ((cos * du + sin * dz) / ru) ** 2 + ((-sin * du + cos * dz) / rz) ** 2

    def capsule(self, start: tuple[float, float], end: tuple[float, float], radius: float) -> Array:
        """Thickness of a rod with round ends, seen from the side."""
        du, dz = end[0] - start[0], end[1] - start[1]
        along = np.clip(
            ((self.u - start[0]) * du + (self.z - start[1]) * dz) / (du**2 + dz**2),
            0,
            1,
        )
        gap = (self.u - start[0] - along * du) ** 2 + (self.z - start[1] - along * dz) ** 2
        return 2 * np.sqrt(np.clip(radius**2 - gap, 0, None))

    def box_of(self, mask: Array, level: float = 0.3) -> Box | None:
        """The smallest box around what exceeds `level` of the greatest value, as fractions; None for nothing."""
        if float(mask.max()) <= 1e-3:
            return None
        inside = mask > level * float(mask.max())
        rows, columns = np.where(inside.any(axis=1))[0], np.where(inside.any(axis=0))[0]
        edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return tuple(round(float(edge) / self.side_px, 4) for edge in edges)  # type: ignore[return-value]


class Pen:
    """Lines and shapes at twice the resolution, in centimetres, read back as an array 0..1."""

    def __init__(self, canvas: Canvas):
        self.canvas = canvas
        self.image = Image.new("L", (canvas.side_px * 2, canvas.side_px * 2))
        self.draw = ImageDraw.Draw(self.image)

    def points(self, u: Array, z: Array) -> list[tuple[float, float]]:
        column, row = self.canvas.to_pixels(u, z)
        return list(zip((column * 2).tolist(), (row * 2).tolist(), strict=True))

    def line(self, u: Array, z: Array, width: float, value: float | Array = 1.0) -> None:
        """A line `width` cm wide; value: one for the line, or one a segment."""
        points, px = self.points(u, z), max(1, round(width * self.canvas.scale * 2))
        if np.ndim(value) == 0:
            self.draw.line(points, fill=gray(value), width=px, joint="curve")
            return
        for start, end, level in zip(points, points[1:], np.asarray(value), strict=False):
            self.draw.line([start, end], fill=gray(level), width=px)
            self.dab(end, px / 2, gray(level))

    def segments(self, rows: Array) -> None:
        """Straight pieces, as rows (u, z, end u, end z, width, value)."""
        starts, ends = self.points(rows[:, 0], rows[:, 1]), self.points(rows[:, 2], rows[:, 3])
        widths = np.maximum(1, np.rint(rows[:, 4] * self.canvas.scale * 2)).astype(int).tolist()
        values = np.clip(255 * rows[:, 5], 0, 255).astype(int).tolist()
        for start, end, width, value in zip(starts, ends, widths, values, strict=True):
            self.draw.line((start, end), fill=value, width=width)

    def disc(self, u: float, z: float, radius: float, value: float) -> None:
        (at,) = self.points(np.array([u]), np.array([z]))
        self.dab(at, radius * self.canvas.scale * 2, gray(value))

    def dab(self, at: tuple[float, float], radius: float, fill: int) -> None:
        """A disc in pixels, which rounds off the end of a line."""
        if radius >= 1:
            self.draw.ellipse(
                (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius),
                fill=fill,
            )

    def polygon(self, u: Array, z: Array, value: float = 1.0, outline: float | None = None) -> None:
        self.draw.polygon(self.points(np.asarray(u), np.asarray(z)), fill=gray(value),
                          outline=None if outline is None else gray(outline), width=2)  # fmt: skip

    def read(self, blur: float = 0.0) -> Array:
        """blur in centimetres."""
        image = self.image.resize((self.canvas.side_px,) * 2, Image.Resampling.BOX)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.canvas.scale))
        return np.asarray(image, np.float32) / 255


def gray(value: float | Array) -> int:
    return int(min(255, max(0, 255 * float(value))))


def step(distance: Array, soft: float) -> Array:
    """0 to 1 across an edge `soft` wide."""
    t = np.clip(distance / soft + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def clouds(side_px: int, rng: np.random.Generator, grain: float) -> Array:
    """Smooth random texture of mean 0, from -1 to 1; grain: the size of its lumps as a fraction of the film."""
    cells = max(3, round(1 / grain))
    noise = Image.fromarray((rng.random((cells, cells)) * 255).astype(np.uint8))
    return np.asarray(noise.resize((side_px, side_px), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1


def blurred(values: Array, cells: int) -> Array:
    """Very soft version of an array: `cells` averages a side, joined smoothly."""
    image = Image.fromarray(values.astype(np.float32))
    coarse = image.resize((cells, cells), Image.Resampling.BOX)
    return np.asarray(coarse.resize(image.size, Image.Resampling.BICUBIC), np.float32)


def develop(
    absorption: Array, canvas: Canvas, rng: np.random.Generator, processing: tuple[float, float], marker: bool
) -> Array:
    """Absorption along each ray -> an 8-bit film, bright where much is absorbed.

    Transmission follows Beer and Lambert; scatter veils it, quanta make it noisy, the logarithm of what arrives is
    evened out over wide areas as film processing does, and an S-shaped curve is laid over what the body absorbs.
    processing: the percentile of the body that is shown as bright, and how much of wide differences is taken out.
    marker: whether a lead letter L may lie on the patient's left.
    """
    side = canvas.side_px
    through = np.exp(-absorption)
    inside = absorption > 0.6
    veil = blurred(np.where(inside, through, float(np.median(through[inside]))), 10)
    arrived = through + rng.uniform(0.22, 0.38) * np.clip(veil, 0, None)
    quanta = rng.uniform(1.2e4, 4e4)
    arrived = arrived + np.sqrt(arrived / quanta) * rng.standard_normal((side, side), dtype=np.float32)
    density = -np.log(np.clip(arrived, 1e-4, None))
    density = density - processing[1] * rng.uniform(0.6, 1.4) * blurred(density, 6)
    sample = density[::3, ::3][inside[::3, ::3]]
    low, high = (float(level) for level in np.percentile(sample, (3, processing[0])))
    low = 0.3 * low + 0.7 * (high - USUAL_RANGE)  # or hazy lungs would come out as dark as clear ones
    value = (density - low) / (high - low)
    center, gain = rng.uniform(0.30, 0.44), rng.uniform(3.4, 4.6)
    film = 1 / (1 + np.exp(-np.clip(gain * (value - center), -20, 20)))
    film = film * rng.uniform(0.94, 1.0)
    image = Image.fromarray((np.clip(film, 0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.25, 0.5) * side / 256))
    collimate(image, rng)
    if marker:
        mark_left(image, rng)
    return np.asarray(image)


def collimate(image: Image.Image, rng: np.random.Generator) -> None:
    """Black borders where the beam was cut off, on some films."""
    if rng.random() < 0.55:
        return
    side, draw = image.width, ImageDraw.Draw(image)
    left, top, right, bottom = (int(v) for v in np.clip(rng.normal(0.0, 0.016, 4), 0, 0.035) * side)
    skew = rng.uniform(-0.006, 0.006) * side
    dark = int(rng.integers(0, 14))
    draw.polygon([(0, 0), (left + skew, 0), (left - skew, side), (0, side)], fill=dark)
    draw.polygon(
        [
            (side, 0),
            (side - right + skew, 0),
            (side - right - skew, side),
            (side, side),
        ],
        fill=dark,
    )
    draw.rectangle((0, 0, side, top - 1), fill=dark) if top else None
    draw.rectangle((0, side - bottom, side, side), fill=dark) if bottom else None


def mark_left(image: Image.Image, rng: np.random.Generator) -> None:
    """The technician's letter L in the upper corner on the image's right, on most films."""
    shown, x, y = rng.random() < 0.65, rng.uniform(0.90, 0.955), rng.uniform(0.05, 0.20)
    high, gray_level = rng.uniform(0.035, 0.05), int(rng.integers(215, 256))
    if shown:
        corners = [(x, y - high), (x, y), (x + 0.6 * high, y)]
        points = [(a * image.width, b * image.width) for a, b in corners]
        ImageDraw.Draw(image).line(points, fill=gray_level, width=max(1, round(image.width / 110)))
