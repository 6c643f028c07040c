"""Findings and impression of reports that hold both, scored one at a time."""

import json

import pytest

from mrg_llm.errors import InputError, SettingsError
from mrg_llm.scored import Asked, score_files
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.studies.texts import joined, parted


def test_parting_undoes_joining():
    for findings, impression in (("F one. F two.", "I."), ("F.", None), (None, "I."), (None, None)):
        assert parted(joined(findings, impression) or "") == {
            "findings": findings or "", "impression": impression or ""
        }  # fmt: skip


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "p.jsonl"
    rows = [
        ("a", "the lungs are clear . Impression: no acute disease .", "the lungs are clear . Impression: pneumonia ."),
        ("b", "the heart is large . Impression: cardiomegaly today .", "no . Impression: cardiomegaly today ."),
        ("c", "the heart is large .", "the heart is large ."),
    ]
    path.write_text("".join(json.dumps({"id": i, "prediction": p, "reference": r}) + "\n" for i, p, r in rows))
    return path


def scored(path, section, studies=None, **more):
    asked = Asked(path, section=section, meteor=False, nearest=False, draws=20, protocols=("full",), **more)
    return score_files(asked, studies)


def test_a_section_is_scored_alone(predictions):
    findings, impression = scored(predictions, "findings"), scored(predictions, "impression")
    assert findings.n == 3 and impression.n == 2, "a study whose reference lacks the section is left out"
    assert "impression of 2" in impression.name
    assert findings.sections["metrics"]["bleu1"].value > impression.sections["metrics"]["bleu1"].value


def test_baselines_come_from_the_same_section(predictions):
    reports = {"train": ("x y z w . Impression: cardiomegaly today .",) * 2, "val": ("x . Impression: y .",)}
    studies = [Study(f"{s}{i}", s, (), text) for s, texts in reports.items() for i, text in enumerate(texts)]
    board = scored(predictions, "impression", StudySet("some", tuple(studies)))
    assert 0 < board.baselines["constant"].sections["metrics"]["bleu2"].value < 1


def test_controls_are_parted_too(predictions):
    board = scored(predictions, "impression", controls={"swapped": predictions})
    assert board.controls["swapped"].sections["metrics"] == board.sections["metrics"]


def test_what_has_no_sections_is_refused(tmp_path, predictions):
    plain = tmp_path / "plain.jsonl"
    plain.write_text(json.dumps({"id": "a", "prediction": "x", "reference": "y"}) + "\n")
    with pytest.raises(InputError, match="has impression under a head of its own"):
        scored(plain, "impression")
    with pytest.raises(SettingsError, match="--section is 'technique'"):
        scored(predictions, "technique")
