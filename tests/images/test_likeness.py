"""What is told from an 8 x 8 map of a picture: chest film or not, view, posture, heart side, marks."""

import numpy as np
import pytest
from PIL import Image

from mrg_llm.images import likeness as module
from mrg_llm.images.likeness import FRONTAL, HEART, LATERAL, likeness, marker_side


def drawn(fields, side: int = 128) -> np.ndarray:
    """A picture with this map."""
    picture = Image.fromarray(np.float32(0.5 + 0.18 * fields)).resize((side, side), Image.Resampling.NEAREST)
    return np.asarray(picture).clip(0, 1)


@pytest.mark.parametrize(
    ("fields", "frontal"),
    [(FRONTAL, True), (LATERAL, False), (LATERAL[:, ::-1], False)],
    ids=["front", "side", "other"],
)
def test_the_average_films_are_chest_films_of_their_view(fields, frontal):
    found = likeness(drawn(fields))
    assert found.is_chest and found.is_frontal == frontal and found.posture == "upright" and found.marker == "neither"


@pytest.mark.parametrize(
    ("change", "posture"),
    [
        (lambda film: 1 - film, "negative"),
        (np.rot90, "on its side"),
        (lambda film: np.rot90(film, 3), "on its side"),
        (lambda film: film[::-1, ::-1], "upside down"),
    ],
)
def test_a_film_that_is_turned_or_inverted_is_no_ordinary_one_and_is_told_as_what_it_is(change, posture):
    found = likeness(np.ascontiguousarray(change(drawn(FRONTAL))))
    assert not found.is_chest and found.posture == posture


def test_what_is_no_chest_is_not_taken_for_one():
    rng = np.random.default_rng(0)
    up = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (96, 1))
    checks = np.float32(np.indices((96, 96)).sum(0) // 12 % 2)
    for picture in [up, 1 - up, checks, *rng.random((20, 96, 96), dtype=np.float32)]:
        assert not likeness(picture).is_chest


def test_the_heart_on_the_other_side_turns_the_sign_and_shows_a_mirrored_film():
    plain = FRONTAL + 0.1 * np.hstack([-HEART, HEART[:, ::-1]])  # a heart that lies plainly to the image's right
    found, mirrored = likeness(drawn(plain)), likeness(np.ascontiguousarray(drawn(plain)[:, ::-1]))
    assert found.heart == pytest.approx(-mirrored.heart, abs=1e-3)
    assert mirrored.is_mirrored and not found.is_mirrored
    lateral = likeness(np.ascontiguousarray(drawn(LATERAL)))
    assert lateral.heart < module.MIRRORED and not lateral.is_mirrored  # a lateral film has no such side


def test_size_and_dark_edges_make_no_difference():
    film = drawn(FRONTAL, 200)
    bordered = np.zeros((300, 260), np.float32)
    bordered[20:220, 30:230] = film
    large, small = likeness(bordered), likeness(drawn(FRONTAL, 64))
    assert large.is_chest and small.is_chest
    assert large.likeness == pytest.approx(small.likeness, abs=0.1)


@pytest.mark.parametrize(
    ("places", "side"),
    [([], "neither"), ([30], "left"), ([220], "right"), ([30, 220], "both"), ([128], "neither")],
)
def test_the_side_of_a_mark(places, side):
    film = np.full((256, 256), 0.4, np.float32)
    film[60:, 100:160] = 0.9  # large and bright is no mark
    for column in places:
        film[20:30, column : column + 3] = 0.95
        film[28:31, column : column + 8] = 0.95
    assert marker_side(film) == side


def test_a_blank_picture_is_not_an_error():
    found = likeness(np.zeros((40, 40), np.float32))
    assert not found.is_chest and found.heart == 0
