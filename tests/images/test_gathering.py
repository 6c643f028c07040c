"""Files, folders, zips and DICOMDIRs of one study become its films; everything else is one sentence."""

import io
import shutil
import subprocess
import zipfile
import zlib

import numpy as np
import pydicom
import pytest

from mrg_llm.errors import ImageError
from mrg_llm.images import gathering, heads, read_film
from mrg_llm.images.gathering import gather
from tests.fuzz.test_images import mutated
from tests.images.made import dicom, png, ramp

STUDY = "1.2.826.0.1.3680043.8.498.1"


def film(position: str | None = None, study: str = STUDY, **tags) -> bytes:
    return dicom(ramp(), StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", ViewPosition=position, **tags)


@pytest.fixture
def folder(tmp_path):
    """A lateral before a frontal film by name, a report, a text, a hidden picture deeper down."""
    root = tmp_path / "study"
    (root / "deeper").mkdir(parents=True)
    (root / "a-lateral.dcm").write_bytes(film("LL"))
    (root / "b-frontal").write_bytes(film("PA"))
    (root / "report.dcm").write_bytes(film(Modality="SR", PixelData=None))
    (root / "notes.txt").write_text("nothing for us")
    (root / "deeper" / "c.png").write_bytes(png(ramp(16)))
    return root


def zipped(folder, path, **more: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
        for name, data in more.items():
            archive.writestr(name, data)
    return path


def test_a_folder_and_its_zip_are_the_same_films_frontal_first(folder, tmp_path):
    by_folder = gather([folder])
    assert [c.source.name for c in by_folder] == ["b-frontal", "c.png", "a-lateral.dcm"]
    by_zip = gather([zipped(folder, tmp_path / "study.zip")])
    assert [c.source for c in by_zip] == [c.source.read_bytes() for c in by_folder]
    assert all(read_film(c.source).pixels.shape == (40, 48) for c in by_zip)


def test_files_and_bytes_keep_their_order_where_nothing_says_frontal(tmp_path):
    (tmp_path / "x.png").write_bytes(png(ramp(8).astype("uint8")))
    found = gather([film(None), tmp_path / "x.png"])
    assert [c.name for c in found] == ["film 1", str(tmp_path / "x.png")]


def test_two_studies_are_refused(folder):
    (folder / "other.dcm").write_bytes(film("PA", study="1.2.3.4"))
    with pytest.raises(ImageError, match="films of 2 studies") as caught:
        gather([folder])
    assert "1.2.3.4" not in str(caught.value)


def test_a_dicomdir_stands_for_the_films_beside_it(folder):
    if not shutil.which("dcmmkdir"):
        pytest.skip("dcmtk is not installed")
    plain = folder.parent / "disc"
    plain.mkdir()
    for number, position in enumerate(("LL", "PA")):
        data = film(position, PatientID="P1", StudyID="1", SeriesNumber=1, InstanceNumber=number + 1)
        (plain / f"IM{number}").write_bytes(data)
    subprocess.run(["dcmmkdir", "+I", "+id", str(plain), "-Pgp", "IM0", "IM1"], cwd=plain, capture_output=True)
    if not (plain / "DICOMDIR").exists():
        pytest.skip("this dcmmkdir makes no DICOMDIR of computed radiographs")
    assert [c.position for c in gather([plain / "DICOMDIR"])] == ["PA", "LL"]
    assert [c.position for c in gather([plain])] == ["PA", "LL"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root / "nowhere.png", "cannot be read"),
        (lambda root: root, "holds no film"),
        (lambda root: write(root / "a.txt", b"hello"), "kind we do not know"),
        (lambda root: write(root / "a.zip", b"PK\x03\x04" + bytes(40)), "zip archive|damaged"),
    ],
)
def test_what_is_no_film_is_one_sentence(tmp_path, make, words):
    with pytest.raises(ImageError, match=words) as caught:
        gather([make(tmp_path)])
    assert "\n" not in str(caught.value)


def write(path, data):
    path.write_bytes(data)
    return path


def test_a_zip_bomb_is_refused_while_it_is_read(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(gathering, "MAX_ZIP_BYTES", 200_000)
    bomb = zipped(folder, tmp_path / "bomb.zip", **{"zeros.dcm": bytes(50_000_000)})
    with pytest.raises(ImageError, match="unpacks to more than"):
        gather([bomb])


def test_a_zip_claiming_a_small_size_is_still_measured(tmp_path, monkeypatch):
    """The directory of a zip may lie: what counts is what comes out."""
    monkeypatch.setattr(gathering, "MAX_ZIP_BYTES", 100_000)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(5_000_000))
    data = bytearray(memory.getvalue())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(ImageError):
        gather([write(tmp_path / "liar.zip", bytes(data))])


def test_a_zip_with_names_that_climb_is_read_and_writes_nothing(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    with zipfile.ZipFile(inside / "climb.zip", "w") as archive:
        archive.writestr("../../Doe^Jane.dcm", film("PA"))
    before = sorted(tmp_path.rglob("*"))
    (found,) = gather([inside / "climb.zip"])
    assert found.name.endswith("climb.zip (file 1)") and "Doe" not in found.name
    assert sorted(tmp_path.rglob("*")) == before


def test_an_encrypted_zip_is_one_sentence(tmp_path):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("a.dcm", film("PA"))
    data = bytearray(memory.getvalue())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    with pytest.raises(ImageError, match="encrypted"):
        gather([write(tmp_path / "locked.zip", bytes(data))])


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_FILES", 2)
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png(ramp(8).astype("uint8")))
    with pytest.raises(ImageError, match="more than 2 files"):
        gather([tmp_path])


@pytest.mark.parametrize("syntax", [pydicom.uid.ImplicitVRLittleEndian, pydicom.uid.ExplicitVRBigEndian,
                                    pydicom.uid.DeflatedExplicitVRLittleEndian])  # fmt: skip
def test_a_head_is_read_in_every_native_syntax(syntax):
    noise = np.random.default_rng(0).integers(0, 4096, (400, 400)).astype(np.uint16)  # longer than what is looked at
    data = dicom(noise, syntax=syntax, StudyInstanceUID=STUDY, ViewPosition="LL", PatientID="P7")
    assert len(data) > heads.PEEK_BYTES
    assert heads.dicom_head(data) == heads.Head(STUDY, "P7", "LL", "DX")


def test_a_deflated_head_is_not_inflated_beyond_its_share(monkeypatch):
    """A bomb is 64 KiB that inflate to 64 MB."""
    monkeypatch.setattr(zlib, "decompress", lambda *a, **k: pytest.fail("inflated without a limit"))
    data = dicom(
        np.zeros((4000, 4000), np.uint16), syntax=pydicom.uid.DeflatedExplicitVRLittleEndian, ViewPosition="PA"
    )
    assert len(data) < 2 * heads.PEEK_BYTES
    assert heads.dicom_head(data).position == "PA"


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_damaged_heads_say_nothing_and_raise_nothing():
    rng = np.random.default_rng(0)
    for data in (film("PA"), dicom(ramp(), syntax=pydicom.uid.DeflatedExplicitVRLittleEndian)):
        for _ in range(300):
            assert isinstance(heads.dicom_head(mutated(data, data, rng)), heads.Head)
