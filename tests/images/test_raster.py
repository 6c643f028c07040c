"""PNG and JPEG: 16 bits stay, gray in disguise is taken, colour is not."""

import numpy as np
import pytest
from PIL import Image

from mrg_llm.errors import ImageError
from mrg_llm.images import read_film
from tests.images.made import jpeg, png, ramp, saved

EIGHT = ramp(8).astype(np.uint8)


def test_eight_bits():
    film = read_film(png(EIGHT))
    assert film.pixels.dtype == np.float32 and film.bits == 8
    np.testing.assert_array_equal((film.pixels * 255).round().astype(np.uint8), EIGHT)


def test_sixteen_bits_are_kept():
    film = read_film(png(ramp(16)))
    assert film.bits == 16
    np.testing.assert_array_equal((film.pixels * 65535).round().astype(np.uint16), ramp(16))


def test_jpeg():
    smooth = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))
    film = read_film(jpeg(smooth))
    assert np.abs(film.pixels * 255 - smooth).max() <= 3


def test_equal_channels_are_gray():
    for mode in ("RGB", "RGBA", "LA", "P"):
        film = read_film(saved(Image.fromarray(EIGHT).convert(mode), "PNG"))
        np.testing.assert_allclose(film.pixels * 255, EIGHT, atol=1e-3)


def test_colour_is_refused():
    colourful = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    with pytest.raises(ImageError, match="in colour"):
        read_film(png(colourful))


def test_a_coloured_stamp_is_no_photograph():
    stamped = np.repeat(EIGHT[..., None], 3, axis=2)
    stamped[:3, :3] = (255, 0, 0)
    assert read_film(png(stamped)).pixels.shape == EIGHT.shape


def test_transparency_is_refused():
    see_through = np.dstack([EIGHT] * 3 + [np.full_like(EIGHT, 128)])
    with pytest.raises(ImageError, match="transparent"):
        read_film(png(see_through))


def test_animation_is_refused():
    frames = [Image.fromarray(EIGHT), Image.fromarray(255 - EIGHT)]
    with pytest.raises(ImageError, match="animated"):
        read_film(saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))


def test_exif_orientation_is_obeyed():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter clockwise
    film = read_film(saved(Image.fromarray(EIGHT), "PNG", exif=exif))
    assert film.pixels.shape == EIGHT.T.shape and "EXIF" in film.notes[0]
    np.testing.assert_allclose(film.pixels * 255, np.rot90(EIGHT, -1), atol=1e-3)
