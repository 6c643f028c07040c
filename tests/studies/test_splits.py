"""Dealing by seed: a function of (seed, patient) that keeps patients together and forgets no study."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrg_llm.errors import DataError
from mrg_llm.studies.splits import dealt_by, split_for
from mrg_llm.studies.study import Note, Study, StudySet


def some(patients, split=None):
    return StudySet("some", tuple(Study(f"s{n}", split, (), patient=p) for n, p in enumerate(patients)))


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30), st.integers(0, 1000), st.randoms())
def test_a_patient_has_one_split_in_any_order_and_any_company(patients, seed, random):
    whole = dealt_by(f"seed:{seed}", some(patients))
    homes = {study.patient: study.split for study in whole}
    assert all(homes[study.patient] == study.split for study in whole)
    shuffled = random.sample(patients, len(patients))[: len(patients) // 2 + 1]
    assert all(homes[study.patient] == study.split for study in dealt_by(f"seed:{seed}", some(shuffled)))


def test_shares_and_seeds():
    patients = [str(n) for n in range(5000)]
    splits = [split_for(patient, 3) for patient in patients]
    assert [round(splits.count(name) / 5000, 1) for name in ("train", "val", "test")] == [0.7, 0.1, 0.2]
    agreeing = sum(split_for(patient, 4) == split for patient, split in zip(patients, splits, strict=True))
    assert agreeing < 3000  # by chance 54 %
    assert dealt_by("seed", some(patients)).studies == dealt_by("seed:0", some(patients)).studies


def test_the_deal_never_changes():
    """A run is only worth something while its test studies stay its test studies."""
    dealt = [split_for(str(number)) for number in range(8)]
    assert dealt == ["train", "test", "train", "train", "train", "val", "train", "train"]


def test_the_sources_split_is_replaced_and_said():
    notes = (
        Note("split dealt by study number, not R2Gen's (put its annotation.json here)", ("s0",)),
        Note("x", ("s0",)),
    )
    studies = StudySet("some", some(["a", "b"], "val").studies, notes)
    dealt = dealt_by("seed:5", studies)
    assert [note.rule for note in dealt.notes] == ["x", "split dealt by patient with seed 5"]
    assert dealt.split_by == "seed:5" and [s.split for s in dealt] == [split_for("a", 5), split_for("b", 5)]


def test_without_a_patient_the_study_is_its_own():
    dealt = dealt_by("seed", some([None, "a"]))
    assert dealt.studies[0].split == split_for("s0")
    assert {note.rule: note.ids for note in dealt.notes}["no patient known, dealt by the study's id"] == ("s0",)


@pytest.mark.parametrize("wrong", ["Seed", "seed:", "seed:x", "seed:-1", "patient", "seed:1:2"])
def test_other_words_are_refused(wrong):
    with pytest.raises(DataError, match="seed or seed:NUMBER"):
        dealt_by(wrong, some(["a"]))
