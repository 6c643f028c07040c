"""Film -> 8-bit square -> tensor for the vision encoder; training augmentation, which never flips left and right:
sides are findings. Legend: ... any leading axes, H and W the side in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mrg_llm.errors import SettingsError
from mrg_llm.images import Film

if TYPE_CHECKING:
    from torch import Tensor

FITS = ("squash", "pad")


@dataclass(frozen=True)
class AugmentSettings:
    """The largest change of each kind; a change is drawn evenly between minus that and plus that."""

    shift: float = 0.04  # of the side
    zoom: float = 0.06  # of the size
    degrees: float = 4.0
    gamma: float = 0.15  # of the exponent's logarithm
    contrast: float = 0.12  # of the slope around middle gray
    brightness: float = 0.06  # of the range


DEFAULT_AUGMENTATION = AugmentSettings()


def to_square_uint8(film: Film, side_px: int, fit: str = "squash") -> np.ndarray:
    """(side, side) uint8: area-averaged where it gets smaller, bicubic where it gets larger.

    fit: "squash" changes the aspect ratio, "pad" keeps it and adds black. Raises SettingsError for another fit.
    """
    picture = Image.fromarray(film.pixels)
    place = inside(picture.height, picture.width, side_px, fit)
    height, width = (part.stop - part.start for part in place)
    larger = width > picture.width or height > picture.height
    resized = picture.resize((width, height), Image.Resampling.BICUBIC if larger else Image.Resampling.BOX)
    square = np.zeros((side_px, side_px), np.uint8)
    square[place] = (np.clip(np.asarray(resized), 0, 1) * 255).round()
    return square


def inside(rows: int, columns: int, side_px: int, fit: str) -> tuple[slice, slice]:
    """Where in its square a film of rows x columns lies. Raises SettingsError for an unknown fit."""
    if fit not in FITS:
        raise SettingsError(f"{fit} was given as the fit of films, which is {' or '.join(FITS)}")
    if fit == "squash":
        return slice(0, side_px), slice(0, side_px)
    scale = side_px / max(rows, columns)
    height, width = max(round(rows * scale), 1), max(round(columns * scale), 1)
    top, left = (side_px - height) // 2, (side_px - width) // 2
    return slice(top, top + height), slice(left, left + width)


def to_tensor(films: np.ndarray | Sequence[np.ndarray]) -> Tensor:
    """8-bit films (..., side, side), or a list of them, -> float32 (..., 1, side, side) in 0..1."""
    import torch

    stack = np.ascontiguousarray(films if isinstance(films, np.ndarray) else np.stack(films))
    return torch.from_numpy(stack).unsqueeze(-3).float() / 255


def augment(film: np.ndarray, rng: np.random.Generator, settings: AugmentSettings = DEFAULT_AUGMENTATION) -> np.ndarray:
    """A (side, side) uint8 film, a little shifted, turned, zoomed and exposed otherwise; never mirrored."""
    side = film.shape[0]
    turn = np.radians(rng.uniform(-settings.degrees, settings.degrees))
    zoom = 1 + rng.uniform(-settings.zoom, settings.zoom)
    dx, dy = rng.uniform(-settings.shift, settings.shift, 2) * side
    cos, sin, middle = np.cos(turn) / zoom, np.sin(turn) / zoom, (side - 1) / 2
    # Where each pixel of the result comes from; its determinant is 1 / zoom², positive: no mirror.
    matrix = (cos, sin, middle - cos * (middle + dx) - sin * (middle + dy),
              -sin, cos, middle + sin * (middle + dx) - cos * (middle + dy))  # fmt: skip
    moved = Image.fromarray(film).transform(
        (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=0
    )
    return exposed(rng, settings)[np.asarray(moved)]


def exposed(rng: np.random.Generator, settings: AugmentSettings) -> np.ndarray:
    """A table of 256 levels: another gamma, contrast and brightness."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-settings.gamma, settings.gamma))
    levels = (levels - 0.5) * (1 + rng.uniform(-settings.contrast, settings.contrast)) + 0.5
    levels += rng.uniform(-settings.brightness, settings.brightness)
    return (np.clip(levels, 0, 1) * 255).round().astype(np.uint8)
