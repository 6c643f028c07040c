"""The data check finds what was put there, and says whether training would be wrong."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mrg_llm.errors import ImageError
from mrg_llm.films import film_of
from mrg_llm.studies import open_studies
from mrg_llm.studies.check import check, describe
from mrg_llm.studies.study import Note, Study, StudySet, View


@dataclass
class FakeFilm:
    pixels: np.ndarray


def read(view: View) -> FakeFilm:
    """A film that is a function of its file's name; "bad", "blank" and "long" are what they say."""
    path = view.path
    if path.name == "bad":
        raise ImageError("bad")
    seed = int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:4])
    noise = np.random.default_rng(seed).random((100, 10) if path.name == "long" else (20, 20))
    return FakeFilm(np.float32(0.5 + 1e-3 * noise if path.name == "blank" else noise))


def study(id_, split="train", views=(), report=None, patient=None):
    paths = views or (f"{id_}-front", f"{id_}-side")
    return Study(id_, split, tuple(View(Path(p)) for p in paths), f"Report {id_}." if report is None else report,
                 patient=patient)  # fmt: skip


def checked(*studies):
    return check(StudySet("fake", studies), read)


def test_sound_data():
    result = checked(study("a"), study("b", "val"))
    assert result.ok and "can be trained on" in result.verdict
    assert result["studies"].count == 2 and result["different films"].count == 4
    assert all(row.count == 0 for row in result.rows if row.weight != "fact")


@pytest.mark.parametrize(
    ("studies", "what", "examples"),
    [
        ([study("a", views=("bad", "x"))], "films that cannot be read", ("a[0]",)),
        ([study("a", patient="7"), study("b", "test", patient="7")], "patients in two splits", ()),
        ([study("a", report=" ")], "training studies without a report", ("a",)),
        ([study("a", views=("x",)), study("b", "test", views=("x",))],
         "val and test studies with a film that stands in train", ("b",)),
        ([study("a"), study("a", "val", views=("x",))], "studies with an id that another has", ("a",)),
    ],
)  # fmt: skip
def test_faults_that_forbid_training(studies, what, examples):
    result = checked(*studies)
    assert not result.ok and what in result.verdict
    assert result[what].count == 1 and result[what].examples == examples


@pytest.mark.parametrize(
    ("studies", "what", "examples"),
    [
        ([study("a", views=("long",))], "films of a shape no chest film has", ("a[0]",)),
        ([study("a", views=("blank",))], "blank films", ("a[0]",)),
        ([study("a", views=("x", "x"))], "studies that hold the same film twice", ("a",)),
        ([study("a", views=("x",)), study("b", views=("x",))], "studies that share a film with another study",
         ("a", "b")),
        ([study("a", report="Clear  Lungs."), study("b", report="clear lungs.")],
         "studies whose report another study has, word for word", ("a", "b")),
        ([study("a", report="Clear."), study("b", "test", report="Clear.")],
         "val and test studies whose report stands in train", ("b",)),
        ([study("a", "test", report="")], "studies without a report", ("a",)),
    ],
)  # fmt: skip
def test_worth_a_look(studies, what, examples):
    result = checked(*studies)
    assert result.ok and result[what].examples == examples
    assert f"?       {len(examples)}  {what}" in str(result)


def test_describe_opens_nothing_and_shows_the_readers_notes():
    studies = StudySet("fake", (study("a", views=("absent",)),), (Note("image file missing", ("a",)),))
    result = describe(studies)
    assert result["image file missing"].examples == ("a",) and result.ok


def test_the_development_copy(shared_data):
    """Figures of the copy for development; they change only if it does."""
    result = check(open_studies(f"iu-xray:{shared_data / 'iu_xray'}"), film_of)
    missing = result["image file missing, study kept with its other views"]
    assert missing.examples == ("CXR2084_IM-0715-1001", "CXR3809_IM-1919")
    assert result["films that cannot be read"].count == 0
    assert result["studies that hold the same film twice"].examples == ("CXR3245_IM-1537",)
    assert result["studies whose report another study has, word for word"].count == 678
    assert result["val and test studies whose report stands in train"].count == 207
    assert result.ok
