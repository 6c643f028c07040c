"""Films as squares and tensors; augmentation keeps the sides."""

import numpy as np
import pytest

from mrg_llm.errors import SettingsError
from mrg_llm.images import Film
from mrg_llm.images.pixels import AugmentSettings, augment, to_square_uint8, to_tensor


def film(pixels) -> Film:
    return Film(np.asarray(pixels, np.float32), "png", 8)


def test_area_average():
    checks = film(np.indices((64, 64)).sum(0) % 2)
    assert (to_square_uint8(checks, 32) == 128).all()  # nearest or bilinear sampling would show a pattern


def test_squash_fills_and_pad_keeps_the_shape():
    wide = film(np.ones((20, 40)))
    assert (to_square_uint8(wide, 16, "squash") == 255).all()
    padded = to_square_uint8(wide, 16, "pad")
    assert (padded[4:12] == 255).all() and not padded[:4].any() and not padded[12:].any()


def test_enlarging_stays_in_range():
    edge = film(np.kron([[0, 1], [1, 0]], np.ones((8, 8))))
    large = to_square_uint8(edge, 64)
    assert large.shape == (64, 64) and large[0, 0] == 0 and large[0, -1] == 255


def test_unknown_fit():
    with pytest.raises(SettingsError, match="squash or pad"):
        to_square_uint8(film(np.ones((16, 16))), 16, "crop")


def test_tensor():
    squares = np.stack([np.full((2, 8, 8), v, np.uint8) for v in (0, 255, 51)])
    tensor = to_tensor(squares)
    assert tuple(tensor.shape) == (3, 2, 1, 8, 8)
    assert tensor[:, 0, 0, 0, 0].tolist() == pytest.approx([0, 1, 0.2])
    assert to_tensor(list(squares)).equal(tensor)


def test_augmentation_never_swaps_the_sides():
    """A film that is bright on its left third only stays so, whatever is drawn."""
    square = np.zeros((96, 96), np.uint8)
    square[:, :32] = 200
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = augment(square, rng).astype(float)
        assert changed[:, :24].mean() > changed[:, -24:].mean() + 100


def test_augmentation_changes_something_and_is_repeatable():
    square = np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8)
    once, again = (augment(square, np.random.default_rng(7)) for _ in range(2))
    assert once.dtype == np.uint8 and once.shape == (64, 64)
    assert (once == again).all() and (once != square).mean() > 0.5


def test_no_augmentation_changes_nothing():
    square = np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8)
    nothing = AugmentSettings(0, 0, 0, 0, 0, 0)
    assert (augment(square, np.random.default_rng(7), nothing) == square).all()
