"""PNG and JPEG -> 2-D array of stored values, 16 bit kept. Colour is taken only where it is gray in disguise."""

from __future__ import annotations

import io

import numpy as np
from PIL import ExifTags, Image, ImageOps

from mrg_llm.errors import ImageError
from mrg_llm.images.codestream import claimed_size
from mrg_llm.images.limits import MAX_FRAMES, check_claim, check_size

COLOUR_TOLERANCE = 12  # levels of 255 by which the channels of a gray picture may differ after JPEG
COLOUR_SHARE = 0.01  # of the pixels may differ by more: a coloured stamp in a corner is no photograph


def read_raster(data: bytes) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """(H, W) array of stored values, the number of bits, and notes. Raises ImageError for what is no film."""
    size = claimed_size(data)
    if size:
        check_size(*size)
        check_claim(*size, len(data))
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
        check_size(picture.height, picture.width)  # a second header may say something else
        if getattr(picture, "n_frames", 1) > MAX_FRAMES:
            raise ImageError("the picture is animated; a film has one frame")
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
        notes = ("turned as its EXIF orientation says",) if turned else ()
        upright = ImageOps.exif_transpose(picture) if turned else picture
        if upright.mode.startswith("I"):
            return np.asarray(upright).astype(np.uint16), 16, notes
        if upright.mode in ("L", "1"):
            return np.asarray(upright.convert("L")), 8, notes
        return gray_of_colour(opaque(upright)), 8, (*notes, "colour channels were equal: read as gray")


def opaque(picture: Image.Image) -> Image.Image:
    """RGB of a picture without see-through parts: behind them anything could be."""
    if picture.has_transparency_data:
        alpha = picture.convert("RGBA").getchannel("A")
        if alpha.getextrema() != (255, 255):
            raise ImageError("the picture is partly transparent; save it without transparency")
    return picture.convert("RGB")


def gray_of_colour(picture: Image.Image) -> np.ndarray:
    """The mean of channels that agree, (H, W) uint8; a colourful picture is no film."""
    rgb = np.asarray(picture)
    spread = rgb.max(axis=2) - rgb.min(axis=2)
    if np.mean(spread > COLOUR_TOLERANCE) > COLOUR_SHARE:
        raise ImageError("the picture is in colour, but a chest film is gray; was a photograph or a screenshot given?")
    return rgb.mean(axis=2, dtype=np.float32).round().astype(np.uint8)
