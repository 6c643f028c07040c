"""What a file is, is asked of its bytes."""

import pytest

from mrg_llm.errors import ImageError
from mrg_llm.images import read_film, sniff
from mrg_llm.images.sniff import HEAD_BYTES
from tests.images.made import dicom, jpeg, png, ramp

EIGHT = ramp(8).astype("uint8")


@pytest.mark.parametrize(("data", "kind"), [(png(EIGHT), "png"), (jpeg(EIGHT), "jpeg"), (dicom(ramp()), "dicom")])
def test_kinds(data, kind):
    assert sniff(data[:HEAD_BYTES]) == kind


def test_a_data_set_without_preamble_is_dicom():
    assert sniff(dicom(ramp())[132:]) == "dicom"
    assert read_film(dicom(ramp())[132:]).bits == 12


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "empty"), (b"%PDF-1.7", "a PDF"), (b"GIF89a", "a GIF"), (b"{}", "JSON"), (b"report text", "we do not know")],
)
def test_others_are_named(data, words):
    with pytest.raises(ImageError, match=words):
        sniff(data)


def test_the_name_is_not_asked(tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(png(EIGHT))
    assert read_film(path).kind == "png"


def test_a_message_names_the_file(tmp_path):
    path = tmp_path / "note.png"
    path.write_text("not a picture")
    for source, words in ((path, "note.png"), (tmp_path / "absent.png", "no such file"), (tmp_path, "not a file")):
        with pytest.raises(ImageError, match=words) as caught:
            read_film(source)
        assert "\n" not in str(caught.value)
