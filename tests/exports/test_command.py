"""`mrg report` with a reporter that needs no weights."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from mrg_llm import runs
from mrg_llm.cli import app


@pytest.fixture
def loaded(monkeypatch):
    asked = []

    def load(run):
        asked.append(run)
        return SimpleNamespace(name="a-run", report=lambda films, **told: "Clear lungs.")

    monkeypatch.setattr(runs, "load", load)
    return asked


def test_out_holds_what_would_be_printed(loaded, tmp_path):
    command = ["report", "film.png", "--model", "a-run", "--format", "json"]
    printed = CliRunner().invoke(app, command)
    out = tmp_path / "draft.json"
    written = CliRunner().invoke(app, [*command, "--out", str(out)])
    assert printed.exit_code == written.exit_code == 0 and written.stdout == ""
    assert json.loads(out.read_text())["report"] == "Clear lungs." and out.read_text() == printed.stdout


def test_unknown_format_is_refused_before_a_model_is_loaded(loaded):
    refused = CliRunner().invoke(app, ["report", "film.png", "--model", "a-run", "--format", "docx"])
    assert refused.exit_code != 0 and loaded == []
