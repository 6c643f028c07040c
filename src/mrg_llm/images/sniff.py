"""The first bytes of a file -> what it is. The name is never asked."""

from __future__ import annotations

from mrg_llm.errors import ImageError

HEAD_BYTES = 132
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
REFUSED = {b"GIF8": "a GIF", b"BM": "a BMP", b"II*\x00": "a TIFF", b"MM\x00*": "a TIFF", b"%PDF": "a PDF",
           b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "a gzip archive", b"{": "JSON text", b"<": "XML or HTML text"}  # fmt: skip


def sniff(head: bytes) -> str:
    """ "png", "jpeg" or "dicom". Raises ImageError, saying what was found instead."""
    for signature, kind in SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head[128:132] == b"DICM" or looks_like_bare_dicom(head):
        return "dicom"
    if not head:
        raise ImageError("the file is empty; a DICOM, PNG or JPEG film was expected")
    found = next((name for signature, name in REFUSED.items() if head.startswith(signature)), "not an image we know")
    raise ImageError(f"the file is {found}; a DICOM, PNG or JPEG film was expected")


def looks_like_bare_dicom(head: bytes) -> bool:
    """A data set without preamble begins with a small group number: 0002 or 0008, little endian."""
    return head[:2] in (b"\x02\x00", b"\x08\x00") and head[2:4] in (b"\x00\x00", b"\x01\x00", b"\x05\x00", b"\x16\x00")
