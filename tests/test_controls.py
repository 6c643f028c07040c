"""A run is asked again with other films, and decodes as its predictions were decoded."""

import json

import pytest

from mrg_llm import runs
from mrg_llm.controls import blanked, decoding_of, other_films, swapped
from mrg_llm.errors import InputError
from mrg_llm.settings import DecodeSettings
from mrg_llm.training.loop import train


@pytest.fixture
def run(tiny_values, tiny_studies, tmp_path):
    from mrg_llm.settings import Settings

    tiny_values["align_global"]["epochs"] = tiny_values["align_local"]["epochs"] = 0
    return train(Settings.model_validate(tiny_values), tiny_studies, tmp_path / "run")


def test_the_run_writes_for_swapped_and_for_blank_films(run, tiny_studies, tmp_path):
    studies = list(tiny_studies.split("train"))[:4]
    predictions = tmp_path / "predictions.jsonl"
    assert runs.generate(runs.load(run), studies, predictions) == {}
    told = []
    found = other_films(run, predictions, studies, told.append)
    assert told[-1] == 8 and list(found) == ["swapped", "blank"]
    expected = [report.text for report in runs.load(run).reports(swapped(studies))]
    assert [row.prediction for row in found["swapped"]] == expected
    assert [row.reference for row in found["blank"]] == [s.report for s in studies]


def test_every_study_gets_the_next_ones_films_and_as_many_blank_ones_as_it_has(tiny_studies, tmp_path):
    studies = list(tiny_studies)
    moved = swapped(studies)
    assert [s.id for s in moved] == [s.id for s in studies]
    assert all(m.views == studies[(i + 1) % len(studies)].views for i, m in enumerate(moved))
    assert [len(s.views) for s in blanked(studies, tmp_path)] == [len(s.views) for s in studies]


def test_decoding_is_taken_from_the_predictions(tmp_path):
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    ours.write_text(json.dumps({"decoding": DecodeSettings(beams=3).model_dump()}) + "\n")
    theirs.write_text('{"id": "a", "prediction": "b"}\n')
    assert decoding_of(ours) == DecodeSettings(beams=3) and decoding_of(theirs) is None


def test_one_study_cannot_be_swapped(run, tiny_studies, tmp_path):
    with pytest.raises(InputError, match="fewer than two studies"):
        other_films(run, tmp_path / "none.jsonl", list(tiny_studies)[:1])
