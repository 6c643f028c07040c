"""Film -> 8-bit square for the vision encoder; training augmentation (never a left-right flip: sides are findings)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mrg_llm.images import Film

SHIFT = 0.04  # of the side
ZOOM = 0.06
DEGREES = 4.0
GAMMA = 0.15
CONTRAST = 0.12
BRIGHTNESS = 0.06


def to_square_uint8(film: Film, side_px: int, fit: str = "squash") -> np.ndarray:
    """(side, side) uint8, area-averaged. fit: "squash" changes the aspect ratio, "pad" adds black."""
    picture = Image.fromarray(film.pixels)
    if fit == "pad":
        side = max(picture.size)
        square = Image.new("F", (side, side), 0.0)
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        picture = square
    enlarging = min(picture.size) < side_px
    resized = picture.resize((side_px, side_px), Image.BICUBIC if enlarging else Image.BOX)
    return (np.clip(np.asarray(resized), 0, 1) * 255).round().astype(np.uint8)


def augment(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A (side, side) uint8 film, a little shifted, turned, zoomed and exposed otherwise."""
    side = film.shape[0]
    turn, zoom = np.radians(rng.uniform(-DEGREES, DEGREES)), 1 + rng.uniform(-ZOOM, ZOOM)
    cos, sin = np.cos(turn) / zoom, np.sin(turn) / zoom
    middle = (side - 1) / 2
    dx, dy = rng.uniform(-SHIFT, SHIFT, 2) * side
    matrix = (cos, sin, middle - cos * (middle + dx) - sin * (middle + dy),
              -sin, cos, middle + sin * (middle + dx) - cos * (middle + dy))  # fmt: skip
    moved = Image.fromarray(film).transform((side, side), Image.AFFINE, matrix, Image.BILINEAR)
    levels = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-GAMMA, GAMMA))
    levels = (levels - 0.5) * (1 + rng.uniform(-CONTRAST, CONTRAST)) + 0.5 + rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    return (np.clip(levels, 0, 1) * 255).astype(np.uint8)[np.asarray(moved)]
