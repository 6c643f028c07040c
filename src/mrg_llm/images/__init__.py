"""Image files -> films: `read_film(path)`.

A film is gray, 0..1, and bright where the body is dense, whatever file it came in. Files from strangers go through
`mrg_llm.images.sandbox.read_film_untrusted`, which decodes in a process of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mrg_llm.errors import ImageError
from mrg_llm.images.limits import check_bytes
from mrg_llm.images.sniff import HEAD_BYTES, Kind, sniff

__all__ = ["Film", "Kind", "decode", "load", "name_of", "read_film", "sniff"]


@dataclass(frozen=True)
class Film:
    """One film as it is displayed.

    pixels: (H, W) float32 in 0..1, 1 the densest. kind: what the file was, "pack" for a square out of one. bits: of the
    stored values. notes: what was applied on the way ("window 2048/4096 applied", "inverted MONOCHROME1").
    """

    pixels: np.ndarray
    kind: Kind | Literal["pack"]
    bits: int
    notes: tuple[str, ...] = ()


def read_film(source: Path | str | bytes) -> Film:
    """One film from a DICOM, PNG or JPEG file or its bytes. Raises ImageError, naming the file, for anything else."""
    try:
        return decode(load(source))
    except ImageError as error:
        raise ImageError(f"{name_of(source)}: {error}") from None


def name_of(source: Path | str | bytes) -> str:
    """How a message calls a source."""
    return "the data" if isinstance(source, bytes) else str(source)


def load(source: Path | str | bytes) -> bytes:
    """The bytes of a source, if they are not too many. Raises ImageError without the source's name."""
    if isinstance(source, bytes):
        check_bytes(len(source))
        return source
    path = Path(source)
    try:
        if not path.is_file():  # a pipe or a device could be read for ever
            raise ImageError("there is no such file; check the path" if not path.exists() else "this is not a file")
        check_bytes(path.stat().st_size)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(f"the file cannot be read ({type(error).__name__}); check the path") from None


def decode(data: bytes) -> Film:
    """The film in a file's bytes. Raises ImageError without the source's name, whatever the decoders raise."""
    try:
        kind = sniff(data[:HEAD_BYTES])
        if kind == "dicom":
            from mrg_llm.images.dicom import read_dicom

            pixels, bits, notes = read_dicom(data)
            return Film(pixels, kind, bits, notes)
        from mrg_llm.images.raster import read_raster

        values, bits, notes = read_raster(data)
        return Film(values.astype(np.float32) / np.float32(2**bits - 1), kind, bits, notes)
    except (ImageError, KeyboardInterrupt, SystemExit):
        raise
    except MemoryError:
        raise ImageError("the picture does not fit into the memory it may take; resize it first") from None
    except BaseException as error:  # decoders raise a dozen undocumented kinds, one of them not an Exception
        raise ImageError(f"the picture is damaged and cannot be decoded ({type(error).__name__})") from None
