"""DICOM: every step of the display pipeline against arithmetic written out here, and every refusal."""

import zlib

import numpy as np
import pydicom
import pytest
from openjpeg.utils import encode_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from mrg_llm.errors import ImageError
from mrg_llm.images import read_film
from mrg_llm.images.display import MISLABELLED
from tests.images.made import dicom, dicom_set, encapsulated, jpeg2000, jpeg_dicom, ramp, rle, to_bytes

STORED = ramp()
FULL = {"WindowCenter": 2047.5, "WindowWidth": 4095, "VOILUTFunction": "LINEAR_EXACT"}  # 0..4095 becomes 0..1


def lookup(entries, first=0, bits=16):
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", [int(e) for e in entries])
    return item


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian,
                                    DeflatedExplicitVRLittleEndian])  # fmt: skip
def test_native_syntaxes(syntax):
    film = read_film(dicom(STORED, syntax=syntax, **FULL))
    assert (film.kind, film.bits, film.pixels.dtype) == ("dicom", 12, np.float32)
    np.testing.assert_allclose(film.pixels, STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("encoded", [rle, jpeg2000])
def test_lossless_compression(encoded):
    film = read_film(encoded(STORED, **FULL))
    np.testing.assert_allclose(film.pixels, STORED / 4095, atol=1e-6)


def test_jpeg_baseline():
    smooth = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))
    film = read_film(jpeg_dicom(smooth, WindowCenter=127.5, WindowWidth=255, VOILUTFunction="LINEAR_EXACT"))
    assert np.abs(film.pixels * 255 - smooth).max() <= 3


def test_linear_window():
    film = read_film(dicom(STORED, WindowCenter=2048, WindowWidth=1024))
    wanted = np.clip((STORED - 2047.5) / 1023 + 0.5, 0, 1)  # PS3.3 C.11.2.1.2
    np.testing.assert_allclose(film.pixels, wanted, atol=1e-6)
    assert film.notes == ("window 2048/1024 applied",)


def test_the_first_of_several_windows():
    film = read_film(dicom(STORED, WindowCenter=[2048, 100], WindowWidth=[1024, 50]))
    assert film.notes == ("window 2048/1024 applied",)


def test_sigmoid_window():
    film = read_film(dicom(STORED, WindowCenter=2048, WindowWidth=1024, VOILUTFunction="SIGMOID"))
    np.testing.assert_allclose(film.pixels, 1 / (1 + np.exp(-4 * (STORED - 2048.0) / 1024)), atol=1e-6)


def test_rescale_comes_before_the_window():
    film = read_film(dicom(STORED, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000, WindowWidth=2001))
    np.testing.assert_allclose(film.pixels, np.clip((STORED * 2.0 - 1000 - 2999.5) / 2000 + 0.5, 0, 1), atol=1e-6)


def test_modality_table():
    entries = np.arange(4096)[::-1]
    film = read_film(dicom(STORED, ModalityLUTSequence=[lookup(entries)], **FULL))
    np.testing.assert_allclose(film.pixels, 1 - STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_voi_table(as_bytes):
    entries = (np.arange(2001) ** 2 // 1000).astype(np.uint16)
    item = lookup(entries, first=1000, bits=16)
    if as_bytes:
        item.add_new("LUTData", "OW", entries.tobytes())
    film = read_film(dicom(STORED, VOILUTSequence=[item], WindowCenter=1, WindowWidth=2))
    wanted = entries[np.clip(STORED.astype(int) - 1000, 0, 2000)] / entries.max()
    np.testing.assert_allclose(film.pixels, wanted, atol=1e-6)
    assert film.notes == ("VOI LUT applied",)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [("MONOCHROME2", None, False), ("MONOCHROME2", "IDENTITY", False), ("MONOCHROME2", "INVERSE", True),
     ("MONOCHROME1", None, True), ("MONOCHROME1", "INVERSE", True)],
)  # fmt: skip
def test_one_inversion_and_last(photometric, shape, inverted):
    window = {"WindowCenter": 1024, "WindowWidth": 1025}
    tags = {"PhotometricInterpretation": photometric, "PresentationLUTShape": shape} | window
    film = read_film(dicom(STORED, **tags))
    straight = np.clip((STORED - 1023.5) / 1024 + 0.5, 0, 1)
    np.testing.assert_allclose(film.pixels, 1 - straight if inverted else straight, atol=1e-6)
    assert any("inverted" in note for note in film.notes) == inverted


def test_a_negative_is_its_positive():
    """The same film stored both ways, with and without a window."""
    for tags in ({}, FULL):
        positive = read_film(dicom(STORED, **tags))
        negative = read_film(dicom(4095 - STORED, PhotometricInterpretation="MONOCHROME1", **tags))
        np.testing.assert_allclose(positive.pixels, negative.pixels, atol=1e-5)


def test_no_window_shows_percentiles():
    stored = STORED.copy()
    stored[0, 0] = 4095  # a hot pixel takes nothing from the range
    film = read_film(dicom(stored))
    low, high = np.percentile(stored, (0.5, 99.5))
    np.testing.assert_allclose(film.pixels, np.clip((stored - low) / (high - low), 0, 1), atol=1e-5)
    assert "no window" in film.notes[0]


def test_a_window_of_no_width_is_ignored_and_said():
    assert "unusable window" in read_film(dicom(STORED, WindowCenter=2048, WindowWidth=0)).notes[0]


def test_signed_values():
    stored = (STORED.astype(np.int32) - 2048).astype(np.int16)
    film = read_film(dicom(stored, WindowCenter=-0.5, WindowWidth=4095, VOILUTFunction="LINEAR_EXACT"))
    np.testing.assert_allclose(film.pixels, STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("encoded", [rle, jpeg2000])
def test_signed_values_compressed(encoded):
    stored = (STORED.astype(np.int32) - 2048).astype(np.int16)
    film = read_film(encoded(stored, WindowCenter=-0.5, WindowWidth=4095, VOILUTFunction="LINEAR_EXACT"))
    np.testing.assert_allclose(film.pixels, STORED / 4095, atol=1e-6)


def test_unused_bits_are_cut_off():
    """Overlays in bits 12 to 15, as old scanners leave them, must not reach the picture."""
    dirty = STORED | (np.arange(STORED.size).reshape(STORED.shape) % 16 << 12).astype(np.uint16)
    shifted = (STORED << 4).astype(np.uint16)
    for encoded in (dicom, rle):
        np.testing.assert_allclose(read_film(encoded(dirty, **FULL)).pixels, STORED / 4095, atol=1e-6)
        np.testing.assert_allclose(read_film(encoded(shifted, HighBit=15, **FULL)).pixels, STORED / 4095, atol=1e-6)


@pytest.mark.parametrize(
    "tags",
    [{"Modality": m} for m in ("CR", "DX", "DR", "RG", "OT", "", None)]
    + [{"Modality": None, "SOPClassUID": None}, {"NumberOfFrames": 1}, {"NumberOfFrames": None}]
    + [{"Modality": None, "SOPClassUID": pydicom.uid.DigitalXRayImageStorageForProcessing}],
)
def test_one_gray_frame_of_a_projection_film_is_read(tags):
    np.testing.assert_allclose(read_film(dicom(STORED, **tags, **FULL)).pixels, STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("bits", range(8, 17))
@pytest.mark.parametrize("signed", [False, True])
def test_every_number_of_bits(bits, signed):
    values = ramp(bits)
    stored = (values.astype(np.int32) - 2 ** (bits - 1)).astype(np.int16) if signed else values
    window = {"WindowCenter": -0.5 if signed else (2**bits - 1) / 2, "WindowWidth": 2**bits - 1}
    film = read_film(dicom(stored, bits, VOILUTFunction="LINEAR_EXACT", **window))
    assert film.bits == bits
    np.testing.assert_allclose(film.pixels, values / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"Modality": "CT"}, "the DICOM is CT"),
        ({"Modality": "XX"}, "of another modality"),
        ({"Modality": "SR", "PixelData": None}, "a structured report"),
        ({"Modality": "PR", "PixelData": None}, "a presentation state"),
        ({"Modality": "MR"}, "the DICOM is MR"),
        ({"Modality": "US"}, "ultrasound"),
        ({"Modality": "MG"}, "mammography"),
        ({"Modality": None, "SOPClassUID": pydicom.uid.CTImageStorage}, "CT Image Storage; a chest film is CR"),
        ({"PixelData": None}, "Computed Radiography Image Storage\\) holds no pixels"),
        ({"PixelData": None, "Modality": "OT", "SOPClassUID": pydicom.uid.EncapsulatedPDFStorage}, "PDF Storage.*no p"),
        ({"PixelData": None, "Modality": "OT", "SOPClassUID": "1.2.Secret^Person"}, "of an unknown kind"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "in colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "in colour"),
        ({"Rows": 60_000}, "more than the limit"),
        ({"Rows": 4}, "at least"),
        ({"BitsStored": 17}, "contradict"),
        ({"RescaleSlope": 0}, "RescaleSlope"),
        ({"PixelData": b"\0" * 8}, "damaged"),
    ],
)
def test_refusals_are_one_sentence_without_the_patient(tags, words):
    with pytest.raises(ImageError, match=words) as caught:
        read_film(dicom(STORED, **tags))
    assert "\n" not in str(caught.value) and "SECRET" not in str(caught.value).upper()


def test_a_codestream_of_another_size_is_refused():
    """JPEG 2000 allocates what its own header says, whatever Rows and Columns say: that is how the bomb works."""
    frame = bytearray(encode_array(STORED, bits_stored=12))
    at = frame.index(b"\xff\x4f\xff\x51") + 8
    frame[at : at + 8] = (16_000).to_bytes(4, "big") * 2
    with pytest.raises(ImageError, match="16000 x 16000"):
        read_film(encapsulated(bytes(frame), STORED, 12, JPEG2000Lossless))


def test_a_deflated_bomb_is_refused_before_it_is_inflated(monkeypatch):
    """It must be refused while being counted: zlib.decompress, which has no limit, is never reached."""
    data = dicom(STORED, syntax=DeflatedExplicitVRLittleEndian)
    start = 132 + 12 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = data[:start] + packer.compress(bytes(300 * 2**20)) + packer.flush()
    monkeypatch.setattr(zlib, "decompress", lambda *a, **k: pytest.fail("inflated without a limit"))
    with pytest.raises(ImageError, match="inflates to more than"):
        read_film(bomb)


def test_pydicom_warnings_do_not_leak_values(recwarn, caplog):
    dataset = dicom_set(STORED)
    dataset["PatientID"]._value = "SECRET" * 40  # longer than the standard allows: pydicom would quote it
    read_film(to_bytes(dataset))
    assert "SECRET" not in caplog.text
    assert not any("SECRET" in str(warning.message) for warning in recwarn)


class TestRealFilms:
    def test_twins(self, shared_data):
        """The two files differ in one byte, the digit of MONOCHROME1, so one label is wrong; both show the chest."""
        one, two = (shared_data / f"dicom_cxr/txv_mono{n}_jpeg.dcm" for n in (1, 2))
        assert sum(a != b for a, b in zip(one.read_bytes(), two.read_bytes(), strict=True)) == 1
        one, two = read_film(one), read_film(two)
        np.testing.assert_array_equal(one.pixels, two.pixels)
        assert MISLABELLED in one.notes and MISLABELLED not in two.notes
        assert two.pixels[400:600, 300:400].mean() < two.pixels[400:600, 480:560].mean()  # lung, spine

    def test_jpeg2000_of_fifteen_bits(self, shared_data):
        film = read_film(shared_data / "dicom_cxr/pydicom_rg1_mono1_j2k.dcm")
        assert film.pixels.shape == (1955, 1841) and film.bits == 15
        lung, spine = film.pixels[500:900, 450:600].mean(), film.pixels[600:1200, 850:1000].mean()
        assert lung < spine - 0.1
