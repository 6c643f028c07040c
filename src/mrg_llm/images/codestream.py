"""Compressed picture -> the size it claims, read from its header alone, so that limits come before decoding.

PNG: IHDR (W3C PNG 11.2.1). JPEG: the SOF marker (ITU T.81 B.2.2; JPEG-LS: ITU T.87 C.1.1). JPEG 2000: the SIZ marker
(ITU T.800 A.5.1).
"""

from __future__ import annotations

import struct

from mrg_llm.errors import ImageError

SOF = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # C4, C8 and CC are tables, not frames; F7 is JPEG-LS
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
J2K = b"\xff\x4f\xff\x51"


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """(rows, columns), or None for a coding without a size of its own (RLE). Raises ImageError for a broken header."""
    try:
        if data.startswith(b"\x89PNG"):
            columns, rows = struct.unpack_from(">II", data, 16)
            return rows, columns
        if data.startswith(b"\xff\xd8"):
            return jpeg_size(data)
        if data.startswith((J2K, b"\x00\x00\x00\x0cjP  ")):
            return jpeg2000_size(data)
    except (struct.error, ValueError, IndexError):
        raise ImageError("the picture's header is cut short or damaged; export it again") from None
    return None


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Walks the segments to the frame header; IndexError and struct.error mean there is none."""
    at = 2
    while True:
        at = data.index(b"\xff", at)
        while data[at] == 0xFF:
            at += 1
        marker, at = data[at], at + 1
        if marker in SOF:
            rows, columns = struct.unpack_from(">HH", data, at + 3)
            return rows, columns
        if marker not in ALONE and marker:
            (length,) = struct.unpack_from(">H", data, at)
            at += length


def jpeg2000_size(data: bytes) -> tuple[int, int]:
    right, bottom, left, top = struct.unpack_from(">IIII", data, data.index(J2K) + 8)
    if right <= left or bottom <= top:
        raise ValueError
    return bottom - top, right - left
