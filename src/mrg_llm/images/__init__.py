"""Image files -> films: `read_film(path)`.

A film is gray, 0..1, and bright where the body is dense, whatever file it came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrg_llm.errors import ImageError
from mrg_llm.images.limits import check_bytes
from mrg_llm.images.sniff import HEAD_BYTES, sniff

__all__ = ["Film", "read_film"]


@dataclass(frozen=True)
class Film:
    """pixels (H, W) float32 in 0..1, bright = dense; kind "dicom", "png" or "jpeg"; bits of the stored values; notes on
    what was applied on the way."""

    pixels: np.ndarray
    kind: str
    bits: int
    notes: tuple[str, ...] = ()


def read_film(source: Path | str | bytes) -> Film:
    """One film from a file or its bytes. Raises ImageError, naming the file, for whatever is not one."""
    name = "the data" if isinstance(source, bytes) else str(source)
    try:
        return decode(load(source))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # decoders raise a dozen undocumented kinds, one of them not an Exception
        raise ImageError(f"{name}: the picture is damaged and cannot be decoded ({type(error).__name__})") from None


def load(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        check_bytes(len(source))
        return source
    path = Path(source)
    try:
        check_bytes(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror}); check the path") from None


def decode(data: bytes) -> Film:
    kind = sniff(data[:HEAD_BYTES])
    if kind == "dicom":
        from mrg_llm.images.dicom import read_dicom

        pixels, bits, notes = read_dicom(data)
        return Film(pixels, kind, bits, notes)
    from mrg_llm.images.raster import read_raster

    values, bits = read_raster(data)
    return Film(values.astype(np.float32) / (2**bits - 1), kind, bits)
