"""Does a picture look like a chest film, which view is it, and is it mirrored? Pixels -> `Likeness`, by arithmetic on
an 8 x 8 map of the picture, without a model.

The map is compared (correlation over its 64 fields) with what a frontal and a lateral film look like on average, and
with what they look like as negatives, lying on their side, or upside down. For the heart's side, the difference between
the map's left and right half is weighed field by field. Averages and weights were found on the training films of
IU X-ray and are rounded to halves; docs/data.md says how often they err, scripts/measure_film_check.py measured it.
Legend: H rows, W columns of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

Posture = Literal["upright", "negative", "on its side", "upside down"]
Side = Literal["left", "right", "both", "neither"]

FIELDS = 8
FRONTAL = np.array([
    [-2.0, -1.5, -1.0, 0.0, 0.0, -1.0, -1.5, -1.5],
    [0.0, 0.0, -0.5, -0.5, -0.5, -0.5, 0.0, 0.0],
    [0.5, 0.0, -1.0, -0.5, 0.0, -1.0, 0.0, 0.5],
    [0.5, 0.0, -1.0, 0.0, 0.5, -1.0, 0.0, 0.0],
    [0.0, 0.0, -0.5, 0.5, 1.0, -0.5, 0.0, 0.0],
    [0.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.0, -0.5],
    [-0.5, 0.5, 1.0, 1.5, 1.5, 1.0, 0.5, -0.5],
    [-1.0, 1.0, 1.5, 1.5, 1.5, 1.5, 0.5, -1.0],
])  # fmt: skip
LATERAL = np.array([
    [-1.5, -1.0, 0.0, 1.0, 1.0, 1.0, 0.5, -1.5],
    [-2.0, -1.0, 0.0, 1.0, 1.0, 1.0, 0.5, -0.5],
    [-2.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0],
    [-1.5, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [-0.5, 0.0, 0.0, 0.0, 0.0, -0.5, 0.0, -0.5],
    [-0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, -0.5],
    [-0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 0.0, -1.0],
    [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 0.0, -1.5],
])  # fmt: skip
HEART = np.array([  # from the outer edge to the middle, for right minus left: most weight where the heart lies
    [0.5, -0.5, -1.0, -1.5],
    [0.0, 0.0, -1.0, -1.0],
    [-1.0, 0.0, -1.5, 0.0],
    [-1.0, 1.0, 0.5, 2.0],
    [-0.5, 1.0, 3.5, 4.0],
    [0.0, -0.5, 1.0, 1.0],
    [-0.5, -1.0, -1.5, -0.5],
    [-0.5, -1.5, -2.0, -1.0],
])  # fmt: skip

LEAST = 0.45  # likeness of a chest film
PLAINER = 0.2  # by which another posture must fit better
MIRRORED = -1.5  # heart side of a frontal film below which it is taken for mirrored
VIEW_MARGIN = 0.2  # by which the other view must fit better to contradict the source
DARK = 0.33  # rows and columns at the edges that are darker than this nearly everywhere are no part of the body
MARKER_PX, MARKER_RISE, MARKER_TIMES = (
    15,
    0.22,
    1.5,
)  # pixels of 256 x 256, their rise, and how many times the other side's


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a picture looks like.

    likeness: correlation with the nearest average film, -1..1. frontal: that of the frontal map minus that of the
    lateral ones; above 0 the film is a frontal one. posture: which way it fits best. heart: above 0 the heart lies on
    the image's right, where it belongs; means something on frontal films only. marker: the image's side that has a
    small bright mark in its upper outer part; letters are not read.
    """

    likeness: float
    frontal: float
    posture: Posture
    heart: float
    marker: Side

    @property
    def is_chest(self) -> bool:
        return self.likeness >= LEAST

    @property
    def is_frontal(self) -> bool:
        return self.frontal > 0

    @property
    def is_mirrored(self) -> bool:
        """Heart on the image's left: a film that was flipped, or a patient who is built or ill that way."""
        return self.is_chest and self.is_frontal and self.posture == "upright" and self.heart < MIRRORED


def likeness(pixels: np.ndarray) -> Likeness:
    """Look at (H, W) float32 in 0..1, bright where the body is dense."""
    fields = field_map(pixels)
    fits = correlations(fields)
    postures: dict[Posture, float] = {
        "upright": max(fits),
        "negative": max(correlations(-fields)),
        "on its side": max(*correlations(np.rot90(fields)), *correlations(np.rot90(fields, 3))),
        "upside down": max(correlations(np.rot90(fields, 2))),
    }
    best = max(postures, key=lambda posture: postures[posture])
    plain = postures[best] >= max(LEAST, postures["upright"] + PLAINER)
    halves = (fields - fields[:, ::-1])[:, FIELDS // 2 :][:, ::-1] / 2  # right minus left, outer edge first
    return Likeness(
        likeness=postures["upright"],
        frontal=fits[0] - max(fits[1:]),
        posture=best if plain else "upright",
        heart=float((halves * HEART).sum()),
        marker=marker_side(pixels),
    )


def field_map(pixels: np.ndarray) -> np.ndarray:
    """(8, 8), mean 0 and standard deviation 1, of the picture without its dark edges."""
    fields = shrunk(without_dark_edges(pixels), FIELDS)
    return (fields - fields.mean()) / (fields.std() + 1e-6)


def correlations(fields: np.ndarray) -> tuple[float, ...]:
    """With the average frontal film, and with the lateral one looking to either side."""
    return tuple(float((fields * average).mean()) for average in AVERAGES)


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


AVERAGES = (standardised(FRONTAL), standardised(LATERAL), standardised(LATERAL[:, ::-1]))


def without_dark_edges(pixels: np.ndarray) -> np.ndarray:
    """The picture cut to the rows and columns that hold something bright, unless that is less than half of it."""
    small = shrunk(pixels, 64)
    rows = np.flatnonzero(np.quantile(small, 0.9, axis=1) > DARK)
    columns = np.flatnonzero(np.quantile(small, 0.9, axis=0) > DARK)
    if len(rows) < 32 or len(columns) < 32:
        return pixels
    height, width = pixels.shape
    top, bottom = rows[0] * height // 64, (rows[-1] + 1) * height // 64
    left, right = columns[0] * width // 64, (columns[-1] + 1) * width // 64
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def marker_side(pixels: np.ndarray) -> Side:
    """Where bright marks thinner than 9 of 256 pixels are found: upper 60 %, outer 30 % at either side."""
    small = shrunk(pixels, 256)
    without = filtered(filtered(small, np.minimum), np.maximum)  # a morphological opening: what is thin is gone
    marks = small - without > MARKER_RISE
    zone = marks[4:154, 4:-4]  # the frame of a scanned film is no mark
    left, right = int(zone[:, :73].sum()), int(zone[:, -73:].sum())
    if max(left, right) < MARKER_PX:
        return "neither"
    if max(left, right) < MARKER_TIMES * min(left, right):
        return "both"
    return "left" if left > right else "right"


def filtered(values: np.ndarray, extreme: np.ufunc, side: int = 9) -> np.ndarray:
    """The least or the greatest value in the square of `side` pixels around each."""
    for axis in (0, 1):
        reach = [(side // 2, side // 2) if axis == other else (0, 0) for other in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, mode="edge"), side, axis=axis)
        values = extreme.reduce(windows, axis=-1)
    return values


def shrunk(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """(side, side), whatever the shape."""
    return np.asarray(Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.BOX))
