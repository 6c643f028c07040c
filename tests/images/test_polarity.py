"""Only a plain negative of a chest film counts as one."""

import numpy as np
import pytest

from mrg_llm.images import read_film
from mrg_llm.images.display import MISLABELLED
from mrg_llm.images.pixels import to_square_uint8
from mrg_llm.images.polarity import looks_negative
from mrg_llm.studies import open_studies
from tests.images.made import dicom, ramp


def chest(side: int = 96) -> np.ndarray:
    """12-bit values: dark background and lungs, bright body, dense bright."""
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    body = 0.5 + 0.3 * y
    lungs = ((np.abs(x - 0.5) > 0.08) & (np.abs(x - 0.5) < 0.35) & (y > 0.15) & (y < 0.65)) * 0.4
    outside = (y < 0.15) & (np.abs(x - 0.5) > 0.15)
    return (np.where(outside, 0.05, body - lungs) * 4095).astype(np.uint16)


WINDOW = {"WindowCenter": 2047.5, "WindowWidth": 4095, "VOILUTFunction": "LINEAR_EXACT"}


@pytest.mark.parametrize("label", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("stored", ["positive", "negative"])
def test_a_chest_is_shown_bright_where_dense_whatever_its_label(label, stored):
    values = chest() if stored == "positive" else 4095 - chest()
    film = read_film(dicom(values, PhotometricInterpretation=label, **WINDOW))
    np.testing.assert_allclose(film.pixels, chest() / 4095, atol=1e-6)
    assert (MISLABELLED in film.notes) == ((label == "MONOCHROME2") == (stored == "negative"))


def test_what_is_no_chest_keeps_its_label():
    rng = np.random.default_rng(0)
    pictures = [ramp(), ramp().T, ramp()[::-1], np.full((64, 64), 900, np.uint16)]
    pictures += [rng.integers(0, 4095, (64, 64), dtype=np.uint16) for _ in range(20)]
    for picture in pictures:
        picture = np.ascontiguousarray(picture)
        for label in ("MONOCHROME1", "MONOCHROME2"):
            assert MISLABELLED not in read_film(dicom(picture, PhotometricInterpretation=label, **WINDOW)).notes


def test_real_films(shared_data):
    """None of the validation films is called a negative; most of their frontal negatives are."""
    views = [view for s in open_studies(f"iu-xray:{shared_data / 'iu_xray'}").split("val") for view in s.views]
    films = [(to_square_uint8(read_film(view.path), 64) / np.float32(255), view.projection) for view in views]
    assert not any(looks_negative(film) for film, _ in films)
    caught = [looks_negative(1 - film) for film, projection in films if projection == "frontal"]
    assert np.mean(caught) > 0.8
