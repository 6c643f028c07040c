"""Limits are kept before anything is unpacked."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mrg_llm.errors import ImageError
from mrg_llm.images import limits, read_film
from mrg_llm.images.codestream import claimed_size
from tests.images.made import jpeg, png, ramp


def png_claiming(columns: int, rows: int, packed: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.fixture
def no_decoding(monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("the picture was opened"))


def test_a_png_bomb_is_not_opened(no_decoding):
    with pytest.raises(ImageError, match="more than the limit"):
        read_film(png_claiming(20_000, 20_000))


def test_few_bytes_cannot_hold_many_pixels(no_decoding):
    with pytest.raises(ImageError, match="claim to hold 6000 x 6000"):
        read_film(png_claiming(6000, 6000, zlib.compress(bytes(36_000_000))[:2000]))


def test_sides(no_decoding):
    for columns, rows in ((15, 4000), (0, 0), (17_000, 100)):
        with pytest.raises(ImageError):
            read_film(png_claiming(columns, rows))


def test_too_many_bytes(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "MAX_BYTES", 100)
    path = tmp_path / "film.png"
    path.write_bytes(png(ramp(16)))
    for source in (path, path.read_bytes()):
        with pytest.raises(ImageError, match="more than the limit of 100"):
            read_film(source)


def test_claimed_sizes_are_the_true_ones():
    film = ramp(8, 33, 57).astype(np.uint8)
    assert claimed_size(png(film)) == claimed_size(jpeg(film)) == claimed_size(jpeg(film, progressive=True)) == (33, 57)
    exif = Image.Exif()
    exif[0x010E] = "a long first segment " * 50
    assert claimed_size(jpeg(film, exif=exif)) == (33, 57)


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xc0\x00", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51\x00"])
def test_broken_headers(data):
    with pytest.raises(ImageError, match="cut short or damaged"):
        claimed_size(data)
