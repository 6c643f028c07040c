"""PNG and JPEG -> 2-D array, 16 bit kept."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mrg_llm.errors import ImageError
from mrg_llm.images.limits import check_size

COLOUR_TOLERANCE = 12  # levels of 255 by which the channels of a gray picture may differ after JPEG


def read_raster(data: bytes) -> tuple[np.ndarray, int]:
    """(H, W) array of stored values and the number of bits. Raises ImageError."""
    with warnings_as_errors(), Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
        check_size(picture.height, picture.width)
        if getattr(picture, "n_frames", 1) > 1:
            raise ImageError("the picture is animated; a film has one frame")
        if picture.mode.startswith("I"):
            return np.asarray(picture).astype(np.uint16), 16
        if picture.mode in ("L", "1"):
            return np.asarray(picture.convert("L")), 8
        return gray_of_colour(picture), 8


def gray_of_colour(picture: Image.Image) -> np.ndarray:
    """The luminance of a picture whose channels agree; a colourful one is no film."""
    rgb = np.asarray(picture.convert("RGB")).astype(np.int16)
    spread = rgb.max(axis=2) - rgb.min(axis=2)
    if np.percentile(spread, 95) > COLOUR_TOLERANCE:
        raise ImageError("the picture is in colour; a chest film is gray (was a photograph or a screenshot given?)")
    return rgb.mean(axis=2).round().astype(np.uint8)


def warnings_as_errors():
    """Pillow only warns of a decompression bomb; our limits are lower, but its warning must not reach the user."""
    import warnings

    context = warnings.catch_warnings()
    context.__enter__()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return _Closing(context)


class _Closing:
    def __init__(self, context):
        self.context = context

    def __enter__(self) -> None: ...

    def __exit__(self, *error) -> None:
        self.context.__exit__(*error)
