"""The check of texts and tables finds what was put there, and says whether training would be wrong."""

from pathlib import Path

import pytest

from mrg_llm.studies.check import describe
from mrg_llm.studies.study import Note, Study, StudySet, View


def study(id_, split="train", report=None, patient=None):
    report = f"Report {id_}." if report is None else report
    return Study(id_, split, (View(Path(f"{id_}-front")), View(Path(f"{id_}-side"))), report, patient=patient)


def described(*studies):
    return describe(StudySet("fake", studies))


def test_sound_data():
    result = described(study("a"), study("b", "val"))
    assert result.ok and "can be trained on" in result.verdict
    assert result["studies"].count == 2 and result["views in train"].count == 2
    assert all(row.count == 0 for row in result.rows if row.weight != "fact")


@pytest.mark.parametrize(
    ("studies", "what", "examples"),
    [
        ([study("a", patient="7"), study("b", "test", patient="7")], "patients in two splits", ()),
        ([study("a", report=" "), study("b", "val")], "studies of a training split that has no report at all", ("a",)),
        ([study("a"), study("a", "val", report="Other.")], "studies with an id that another has", ("a",)),
    ],
)
def test_faults_that_forbid_training(studies, what, examples):
    result = described(*studies)
    assert not result.ok and what in result.verdict
    assert result[what].count == 1 and result[what].examples == examples


@pytest.mark.parametrize(
    ("studies", "what", "examples"),
    [
        ([study("a", report="Clear  Lungs."), study("b", report="clear lungs.")],
         "studies whose report another study has, word for word", ("a", "b")),
        ([study("a", report="Clear."), study("b", "test", report="Clear.")],
         "val and test studies whose report stands in train", ("b",)),
        ([study("a"), study("b", "test", report="")], "studies without a report", ("b",)),
        ([study("a"), study("b", report="")], "training studies without a report, left out of training", ("b",)),
    ],
)  # fmt: skip
def test_worth_a_look(studies, what, examples):
    result = described(*studies)
    assert result.ok and result[what].examples == examples
    assert f"?       {len(examples)}  {what}" in str(result)


def test_without_a_training_split_nothing_is_wrong_and_nothing_can_be_learned():
    result = described(study("a", "test", report=""))
    assert result.ok and "no training split" in result.verdict and "--split-by" in result.verdict


def test_the_readers_notes_are_shown_and_no_film_is_opened():
    studies = StudySet("fake", (study("absent"),), (Note("image file missing", ("a",)),))
    result = describe(studies)
    assert result["image file missing"].examples == ("a",) and result.ok
