"""Transfer syntaxes as another toolkit writes them, and which decoder reads which."""

import importlib.util

import numpy as np
import pydicom
import pytest

from mrg_llm.errors import ImageError
from mrg_llm.images import read_film
from mrg_llm.images.dicom import plugin_for
from mrg_llm.images.sandbox import Sandbox
from tests.fuzz.test_images import mutated
from tests.images import golden


@pytest.mark.parametrize("name", golden.MADE)
def test_what_dcmtk_compressed(name):
    if name.startswith("jpeg-lossless"):
        pytest.importorskip("gdcm", reason="the extra gdcm is not installed")
    if name.startswith("jpeg-extended"):
        pytest.importorskip("libjpeg", reason="pylibjpeg-libjpeg (GPL) is not installed")
    film = read_film(golden.FOLDER / f"{name}.dcm")
    assert film.bits == golden.FILMS[golden.MADE[name][0]][1]
    np.testing.assert_allclose(film.pixels, golden.wanted(name), atol=golden.tolerance(name))


def test_they_are_as_compressed_as_their_names_say():
    found = {p.stem: pydicom.dcmread(p).file_meta.TransferSyntaxUID.name for p in golden.FOLDER.glob("*.dcm")}
    assert found.keys() == golden.MADE.keys()
    assert "Extended" in found["jpeg-extended-12"] and "Near" in found["jpeg-ls-near-12"]
    assert len({found[n] for n in ("jpeg-lossless-12", "jpeg-lossless-sv1-16")}) == 2


def test_a_decoder_that_is_not_installed_is_named(monkeypatch):
    from mrg_llm.images import dicom

    bare = type("Decoder", (), {"available_plugins": ()})()
    monkeypatch.setattr(dicom, "get_decoder", lambda syntax: bare)
    with pytest.raises(ImageError, match=r"pip install 'mrg-llm\[gdcm\]'") as caught:
        read_film(golden.FOLDER / "jpeg-lossless-12.dcm")
    assert "\n" not in str(caught.value)


def test_twelve_bit_jpeg_names_the_decoder_that_we_may_not_bring():
    if importlib.util.find_spec("libjpeg"):
        pytest.skip("pylibjpeg-libjpeg is installed")
    with pytest.raises(ImageError, match=r"pip install pylibjpeg-libjpeg \(whose licence is GPL"):
        read_film(golden.FOLDER / "jpeg-extended-12.dcm")


@pytest.mark.timeout(120)
def test_damaged_films_cost_a_fragile_decoder_its_process_and_nothing_else(tmp_path):
    """Two thousand; some of the first twenty thousand end the decoder by SIGABRT."""
    pytest.importorskip("gdcm", reason="the extra gdcm is not installed")
    films = [(golden.FOLDER / f"{name}.dcm").read_bytes() for name in golden.MADE if "lossless" in name]
    read = refused = 0
    with Sandbox() as box:
        for number in range(2000):
            rng = np.random.default_rng([5, number])
            mutant = mutated(films[number % len(films)], films[(number + 1) % len(films)], rng)
            try:
                read += bool(np.isfinite(box.read(mutant).pixels).all())
            except ImageError as error:
                assert "\n" not in str(error) and "ecret" not in str(error)
                refused += 1
        assert box.read(films[0]).pixels.shape == (40, 48)
    assert read > 100 and refused > 100


def test_a_syntax_nobody_reads_is_refused():
    assert plugin_for(pydicom.uid.MPEG2MPML, 8) == ""
