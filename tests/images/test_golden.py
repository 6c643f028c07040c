"""Transfer syntaxes as another toolkit writes them, and which decoder reads which."""

import sys

import numpy as np
import pydicom
import pytest

from mrg_llm.errors import ImageError
from mrg_llm.images import decoders, read_film, turbojpeg
from tests.images import golden
from tests.images.made import encapsulated, ramp

EXTRA = ("jpeg-lossless", "jpeg-extended-12")


@pytest.mark.parametrize("name", golden.MADE)
def test_what_dcmtk_compressed(name):
    if name.startswith(EXTRA):
        pytest.importorskip("imagecodecs", reason="the extra dicom is not installed")
    film = read_film(golden.FOLDER / f"{name}.dcm")
    assert film.bits == golden.FILMS[golden.MADE[name][0]][1]
    np.testing.assert_allclose(film.pixels, golden.wanted(name), rtol=0, atol=golden.tolerance(name))


@pytest.mark.parametrize("name", golden.LOSSY)
def test_lossy_films_are_near_what_was_compressed(name):
    """Else a decoder could be compared with another's mistake."""
    stored, _, center, width = golden.FILMS[golden.MADE[name][0]]
    np.testing.assert_allclose(golden.wanted(name), (stored - center) / width + 0.5, rtol=0, atol=0.05)


def test_they_are_as_compressed_as_their_names_say():
    found = {p.stem: pydicom.dcmread(p).file_meta.TransferSyntaxUID for p in golden.FOLDER.glob("*.dcm")}
    assert found.keys() == golden.MADE.keys()
    ends = ("1", "2", "1.99", "5", "4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201")
    families = {f"1.2.840.10008.1.2.{end}" for end in ends}
    assert set(found.values()) == families | {"1.2.840.10008.1.2"}


def test_decoders_that_are_not_installed_are_named(monkeypatch):
    bare = type("Decoder", (), {"available_plugins": ()})()
    monkeypatch.setattr(decoders, "get_decoder", lambda syntax: bare)
    for name, words in (("jpeg-lossless-12", r"JPEG Lossless.*pip install 'mrg-llm\[dicom\]'"),
                        ("jpeg-extended-12", r"JPEG Extended.*pip install 'mrg-llm\[dicom\]'"),
                        ("jpeg-ls-12", r"JPEG-LS.*pip install 'pyjpegls'")):  # fmt: skip
        with pytest.raises(ImageError, match=words) as caught:
            read_film(golden.FOLDER / f"{name}.dcm")
        assert "\n" not in str(caught.value)


def test_each_syntax_has_one_decoder(monkeypatch):
    """Left to itself pydicom would try GDCM first, which damaged films can end by SIGABRT."""
    asked = []
    options = pydicom.Dataset.pixel_array_options

    def spied(dataset, **given):
        asked.append(given["decoding_plugin"])
        options(dataset, **given)

    monkeypatch.setattr(pydicom.Dataset, "pixel_array_options", spied)
    for name in ("rle-16", "jpeg-baseline-8", "jpeg-extended-8", "jpeg-ls-12", "jpeg-2000-signed"):
        read_film(golden.FOLDER / f"{name}.dcm")
    assert asked == ["pydicom", "pillow", "pillow", "pyjpegls", "pylibjpeg"]


def test_a_syntax_nobody_reads_is_refused():
    with pytest.raises(ImageError, match=r"MPEG2.*which we do not read"):
        read_film(encapsulated(b"\0" * 400, ramp(), 12, pydicom.uid.MPEG2MPML))


def test_the_plugin_for_pydicom_says_whether_it_can(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert not turbojpeg.is_available(pydicom.uid.JPEGLossless)


@pytest.mark.parametrize("signed", [False, True])
def test_lossless_jpeg_keeps_what_lies_above_the_stored_bits_and_we_do_not(signed):
    imagecodecs = pytest.importorskip("imagecodecs", reason="the extra dicom is not installed")
    stored = golden.SIGNED if signed else ramp(12)
    cells = (stored.view(np.uint16) & 0xFFF | 0x5000).astype(np.uint16)  # an overlay in bits 12 and 14
    frame = imagecodecs.jpeg8_encode(cells, lossless=True, bitspersample=16)
    window = {"WindowCenter": -0.5 if signed else 2047.5, "WindowWidth": 4095, "VOILUTFunction": "LINEAR_EXACT"}
    film = read_film(encapsulated(frame, stored, 12, pydicom.uid.JPEGLosslessSV1, **window))
    np.testing.assert_allclose(film.pixels, ramp(12) / 4095, atol=1e-6)
