"""`dicom:FOLDER`: a hospital's films without reports."""

import json

import pytest
from typer.testing import CliRunner

from mrg_llm import cli
from mrg_llm.dicom_folder import NO_DICOM, NO_FILM, NO_STUDY
from mrg_llm.errors import DataError
from mrg_llm.studies import open_studies
from tests.images.made import dicom, png, ramp

WARD = "1.2.826.0.1.3680043.8.498."


def film(study, position=None, **tags):
    return dicom(ramp(), StudyInstanceUID=study and WARD + study, ViewPosition=position, **tags)


@pytest.fixture
def folder(tmp_path):
    """Two studies over three folders, and what lies beside films."""
    root = tmp_path / "export"
    files = {
        "a/1.dcm": film("1", "LL"), "b/2": film("1", "PA"), "c/3.dcm": film("2", "AP"), "c/0.dcm": film("2"),
        "c/ct.dcm": film("2", Modality="CT"), "c/report.dcm": film("2", Modality="SR", PixelData=None),
        "c/readme.txt": b"text", "c/photo.png": png(ramp(16)), "d/lost.dcm": film(None),
    }  # fmt: skip
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_films_are_grouped_by_study_frontal_first(folder):
    studies = open_studies(f"dicom:{folder}")
    found = {tuple((v.path.name, v.projection) for v in study.views) for study in studies}
    assert found == {(("2", "frontal"), ("1.dcm", "lateral")), (("3.dcm", "frontal"), ("0.dcm", None))}
    assert {study.split for study in studies} == {"test"}
    assert {note.rule: len(note.ids) for note in studies.notes} == {NO_DICOM: 2, NO_FILM: 2, NO_STUDY: 1}


def test_ids_are_hashes_that_stay(folder):
    ids = [study.id for study in open_studies(f"dicom:{folder}")]
    assert len(set(ids)) == 2 and all(len(i) == 16 and WARD not in i for i in ids)
    (folder / "c").rename(folder / "0")
    assert [study.id for study in open_studies(f"dicom:{folder}")] == ids
    assert all("SECRET" not in repr(study).upper() for study in open_studies(f"dicom:{folder}"))


def test_a_patient_is_dealt_whole(folder):
    dealt = open_studies(f"dicom:{folder}", split_by="seed:3")
    assert len({study.split for study in dealt}) == 1  # both studies are of one patient


def test_a_folder_without_a_film(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(DataError, match="no DICOM file of a radiograph"):
        open_studies(f"dicom:{tmp_path}")


def test_reports_are_written_for_it(folder, tiny_settings, tiny_studies, tmp_path):
    from mrg_llm.training.loop import train

    (folder / "c" / "3.dcm").write_bytes((folder / "c" / "3.dcm").read_bytes()[:900])  # its head is whole
    run = train(tiny_settings, tiny_studies, tmp_path / "run")
    out = tmp_path / "drafts.jsonl"
    done = CliRunner().invoke(
        cli.app, ["generate", "--model", str(run), "--data", f"dicom:{folder}", "--split", "test", "--out", str(out)]
    )
    assert done.exit_code == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(row["views"] for row in rows) == [1, 2] and all("reference" not in row for row in rows)
    assert "studies with films that cannot be read: 1" in done.stderr
