"""Film array -> 8-bit square; training augmentation (never a left-right flip)."""

from __future__ import annotations

import numpy as np
from PIL import Image


def to_square_uint8(film, side_px: int, fit: str = "squash") -> np.ndarray:
    pixels = getattr(film, "pixels", film)
    picture = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.resize((side_px, side_px), Image.BOX))


def augment(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return film
