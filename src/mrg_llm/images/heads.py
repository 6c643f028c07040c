"""The first bytes of a DICOM file -> what its tags say before the pixels: study, patient, view, modality.

Cheap and bounded: 64 KiB a file are read, and as many inflated. A damaged or cut head says what it can; decoding finds
what is wrong. These values may be a patient's: they are compared, counted and hashed, never shown.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mrg_llm.errors import ImageError

if TYPE_CHECKING:
    import pydicom

PEEK_BYTES = 65_536
FRONTAL = ("PA", "AP", "AP AXIAL")
DEFLATED = b"1.2.840.10008.1.2.1.99"
GROUP_2_END = 132 + 12  # behind preamble, mark and the element that holds the length of what follows of group 2
WANTED = ("StudyInstanceUID", "PatientID", "ViewPosition", "Modality")


@dataclass(frozen=True)
class Head:
    """None where the file does not say. position: a ViewPosition ("PA")."""

    study: str | None = None
    patient: str | None = None
    position: str | None = None
    modality: str | None = None


def first_bytes(path: Path, count: int = PEEK_BYTES) -> bytes:
    """The first `count` bytes of a file. Raises ImageError without the file's name."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except (OSError, ValueError) as error:
        raise ImageError(f"the file cannot be read ({type(error).__name__}); check the path") from None


def dicom_head(data: bytes) -> Head:
    """What the first bytes of a DICOM file say. Raises nothing."""
    try:
        dataset = head_elements(data[:PEEK_BYTES], WANTED)
        return Head(*(str(dataset.get(tag) or "").strip().upper() or None for tag in WANTED))
    except Exception:  # pydicom raises many kinds
        return Head()


def head_elements(data: bytes, keywords: Sequence[str]) -> pydicom.Dataset:
    """At least these elements of a DICOM file that may be cut short, as far as they stand before the pixels; as many
    bytes are inflated as are given. Raises whatever pydicom raises, also when an element is looked at."""
    import pydicom
    from pydicom.filereader import read_dataset

    import mrg_llm.images.dicom  # noqa: F401  silences pydicom, whose warnings quote values

    if DEFLATED in data[GROUP_2_END : GROUP_2_END + 1024]:
        start = GROUP_2_END + int.from_bytes(data[GROUP_2_END - 4 : GROUP_2_END], "little")
        plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], len(data))
        return read_dataset(io.BytesIO(plain), False, True, stop_when=at_pixels)
    return pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True, specific_tags=[*keywords])


def at_pixels(tag, vr: str | None, length: int) -> bool:
    return tag >= 0x7FE00000
