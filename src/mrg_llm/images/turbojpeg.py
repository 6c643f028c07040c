"""JPEG of 12 bits and lossless JPEG, which pydicom has no permissively licensed decoder for: a plugin for it.

libjpeg-turbo 3 decodes, out of the wheel of imagecodecs (BSD-3-Clause). The plugin's interface is pydicom's: see
https://pydicom.github.io/pydicom/stable/guides/decoding/decoder_plugins.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

NAME = "imagecodecs"
SYNTAXES = (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
DECODER_DEPENDENCIES = dict.fromkeys(SYNTAXES, ("imagecodecs>=2024.9.22",))


def is_available(uid: str) -> bool:
    """Whether a syntax can be decoded here."""
    try:
        from imagecodecs import JPEG8
    except ImportError:  # the extra is not installed
        return False
    return bool(JPEG8.available) and uid in SYNTAXES


def decode_frame(packed: bytes, runner: DecodeRunner) -> bytes:
    """One frame as little-endian cells. The caller has compared its size with the header's."""
    from imagecodecs import jpeg8_decode

    cells = jpeg8_decode(packed)
    size = 8 * cells.itemsize
    runner.set_option("bits_allocated", size)
    signed = runner.pixel_representation == 1
    if signed or runner.transfer_syntax != JPEGExtended12Bit:
        # Lossless ones hold the cells as they were: two's complement, and whatever lay above the stored bits.
        spare = max(size - runner.bits_stored, 0)
        cells = cells.view(f"<{'i' if signed else 'u'}{cells.itemsize}") << spare >> spare
    return np.ascontiguousarray(cells, cells.dtype.newbyteorder("<")).tobytes()
