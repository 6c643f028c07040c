"""The first bytes of a file -> what it is. The name is never asked."""

from __future__ import annotations

from typing import Literal

from mrg_llm.errors import ImageError

Kind = Literal["dicom", "jpeg", "png"]

HEAD_BYTES = 132  # a DICOM's mark stands behind a preamble of 128 bytes
SIGNATURES: dict[bytes, Kind] = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
REFUSED = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"RIFF": "a WebP or other RIFF file",
    b"\x00\x00\x00\x0cjP  ": "a bare JPEG 2000",
    b"\xff\x4f\xff\x51": "a bare JPEG 2000",
    b"\x5c\x01\x00\x00": "a NIfTI",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"{": "JSON text",
    b"<": "XML or HTML text",
}
BARE_GROUPS = (b"\x02\x00", b"\x08\x00")  # a data set without preamble begins with a low group, little endian
BARE_ELEMENTS = (b"\x00\x00", b"\x01\x00", b"\x05\x00", b"\x08\x00", b"\x12\x00", b"\x16\x00")


def sniff(head: bytes) -> Kind:
    """The kind of a file from its first HEAD_BYTES. Raises ImageError, saying what was found instead."""
    for signature, kind in SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head[128:132] == b"DICM" or (head[:2] in BARE_GROUPS and head[2:4] in BARE_ELEMENTS):
        return "dicom"
    if not head:
        raise ImageError("the file is empty; a DICOM, PNG or JPEG film was expected")
    found = next((name for mark, name in REFUSED.items() if head.startswith(mark)), "of a kind we do not know")
    raise ImageError(f"the file is {found}; a DICOM, PNG or JPEG film was expected")
