"""A film that cannot be read costs its study, not the run, and the run says so at its end."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mrg_llm import cli, runs
from mrg_llm.errors import DataError
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet, View
from mrg_llm.training.loop import train


@pytest.fixture
def damaged(tiny_studies, tmp_path) -> StudySet:
    """s2 (one view) and s9 (two views, val) have a torn film first; s8 and s10 have no other left."""
    torn = tmp_path / "torn.png"
    torn.write_bytes(tiny_studies.studies[0].views[0].path.read_bytes()[:60])
    studies = []
    for study in tiny_studies:
        views = study.views
        if study.id in ("s2", "s8", "s10"):
            views = (View(torn),)
        if study.id in ("s9", "s11"):
            views = (View(torn), *views[1:])
        studies.append(replace(study, views=views))
    return StudySet("damaged", tuple(studies))


def test_training_goes_on_without_the_study_and_says_so(tiny_values, damaged, tmp_path):
    said = io.StringIO()
    values = {**tiny_values, "generate": {"epochs": 1, "batch": 4, "metric": "loss"}}
    run = train(Settings.model_validate(values), damaged, tmp_path / "run", console=Console(file=said, width=200))
    start, *lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    assert start["unreadable"] == ["s2", "s8"]
    assert said.getvalue().rstrip().endswith("left out, because none of their films can be read: 2 (s2, s8)")
    assert sum(line.get("event") == "validation" for line in lines) == 1


def test_without_any_film_nothing_can_be_trained(tiny_settings, damaged, tmp_path):
    torn = damaged.studies[2].views
    bare = StudySet("bare", tuple(replace(s, views=torn) for s in damaged))
    with pytest.raises(DataError, match="no film of 8 studies can be read"):
        train(tiny_settings, bare, tmp_path / "run")


def test_generating_names_them_and_writes_an_empty_report(tiny_values, tiny_studies, damaged, tmp_path, monkeypatch):
    values = {**tiny_values, "generate": {"epochs": 1, "batch": 4, "metric": "loss"},
              "decode": {"min_new_tokens": 4, "max_new_tokens": 8, "batch": 4}}  # fmt: skip
    run = train(Settings.model_validate(values), tiny_studies, tmp_path / "run")
    monkeypatch.setattr(cli.training, "open_data", lambda *a, **k: damaged)
    out = tmp_path / "test.jsonl"
    done = CliRunner().invoke(
        cli.app, ["generate", "--model", str(run), "--data", "x:y", "--split", "test", "--out", str(out)]
    )
    assert done.exit_code == 0 and "studies with films that cannot be read: 2" in done.stderr
    first, second = (json.loads(line) for line in out.read_text().splitlines())
    assert first["id"] == "s10" and first["prediction"] == "" and "torn.png" in first["problems"][0]
    assert first["reference"] and second["prediction"] and second["views"] == 1 and second["problems"]
    sound = list(runs.load(run).reports([replace(damaged.studies[11], views=damaged.studies[11].views[1:])]))
    assert sound[0].text == second["prediction"]


def test_the_page_of_scores_shows_the_other_films(damaged):
    from mrg_llm.scored import thumbnails

    by_id = {study.id: study for study in damaged}
    assert thumbnails(by_id["s10"]) == [] and len(thumbnails(by_id["s11"])) == 1
