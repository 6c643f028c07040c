"""`mrg report` with a reporter that needs no weights."""

import io
import json
import textwrap
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

import mrg_llm
from mrg_llm import runs
from mrg_llm.cli import app
from mrg_llm.errors import ImageError, SettingsError
from mrg_llm.model.decoding import Draft
from mrg_llm.settings import ConfidenceSettings
from tests.conftest import REPOSITORY
from tests.exports.drafts import STUDY, films
from tests.images.made import png, ramp


@pytest.fixture
def loaded(monkeypatch):
    asked = []

    def load(run):
        asked.append(run)
        return SimpleNamespace(
            name="a-run", report=lambda films, **told: "Clear lungs.",
            asked=lambda **told: None, shown=lambda films, anyway: None, calibration=None,
            drafts=lambda studies, shown: [Draft("Clear lungs.", 3, True)], confidence=ConfidenceSettings(),
        )  # fmt: skip

    monkeypatch.setattr(runs, "load", load)
    return asked


def test_out_holds_what_would_be_printed(loaded, tmp_path):
    command = ["report", "film.png", "--model", "a-run", "--format", "json"]
    printed = CliRunner().invoke(app, command)
    out = tmp_path / "draft.json"
    written = CliRunner().invoke(app, [*command, "--out", str(out)])
    assert printed.exit_code == written.exit_code == 0 and written.stdout == ""
    first, second = json.loads(printed.stdout), json.loads(out.read_text())
    assert first["report"] == "Clear lungs." and first | {"written_at": None} == second | {"written_at": None}


def test_unknown_format_is_refused_before_a_model_is_loaded(loaded):
    refused = CliRunner().invoke(app, ["report", "film.png", "--model", "a-run", "--format", "docx"])
    assert refused.exit_code != 0 and loaded == []


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    for number, data in enumerate(films()):
        (folder / f"{number}.dcm").write_bytes(data)
    return folder


def test_an_sr_of_a_folder_of_films(loaded, study, tmp_path):
    out = tmp_path / "draft.dcm"
    command = ["report", str(study), "--model", "a-run", "--format", "dicom-sr"]
    written = CliRunner().invoke(app, [*command, "--out", str(out)])
    assert written.exit_code == 0, written.output
    piped = CliRunner().invoke(app, command)
    made = [pydicom.dcmread(io.BytesIO(data)) for data in (out.read_bytes(), piped.stdout_bytes)]
    assert {one.StudyInstanceUID for one in made} == {STUDY} and len({one.SOPInstanceUID for one in made}) == 1


def test_what_no_terminal_can_show_is_refused_before_a_model_is_loaded(loaded, study, monkeypatch):
    from mrg_llm.cli import reporting

    monkeypatch.setattr(reporting, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    refused = CliRunner().invoke(app, ["report", str(study), "--model", "a-run", "--format", "pdf"])
    assert isinstance(refused.exception, SettingsError) and "--out" in str(refused.exception) and loaded == []
    assert CliRunner().invoke(app, ["report", str(study), "--model", "a-run", "--format", "fhir"]).exit_code == 0


def test_films_without_identity_are_refused_before_a_model_is_loaded(loaded, tmp_path):
    film = tmp_path / "film.png"
    film.write_bytes(png(ramp(8).astype(np.uint8)))
    for format in ("dicom-sr", "dicom-pdf"):
        out = tmp_path / format
        refused = CliRunner().invoke(app, ["report", str(film), "--model", "a", "--format", format, "--out", str(out)])
        assert isinstance(refused.exception, ImageError) and "pdf or fhir" in str(refused.exception)
        assert loaded == [] and not out.exists()


def test_the_documented_python_runs(loaded, study, tmp_path, monkeypatch):
    page = (REPOSITORY / "docs" / "exports.md").read_text().split("## In Python")[1]
    code = textwrap.dedent("\n".join(line for line in page.splitlines() if line.startswith("    ") or not line))
    for number, name in enumerate(("front.dcm", "lateral.dcm")):
        (tmp_path / name).write_bytes(films()[number])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mrg_llm, "load", runs.load, raising=False)
    exec(code, {})
    assert pydicom.dcmread("draft.dcm").StudyInstanceUID == STUDY and len(loaded) == 1
