"""Which text is learned: sections and de-identification marks under their named policies."""

import json
import re
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrg_llm.errors import DataError
from mrg_llm.settings import DataSettings
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.studies.texts import DEIDENTIFIED, MARK, SECTIONS, reading_in, with_sections, without_marks


def some(*texts, split="train"):
    studies = (Study(f"s{n}", split, (), report, impression) for n, (report, impression) in enumerate(texts))
    return StudySet("some", tuple(studies))


@pytest.mark.parametrize(
    ("policy", "reports", "left_out"),
    [
        ("findings", ["F.", "G.", None], ("s2",)),
        ("impression", ["I.", "J.", None], ("s1",)),
        ("findings-or-impression", ["F.", "G.", "J.", None], ()),
        ("findings+impression", ["F. Impression: I.", "G.", "Impression: J.", None], ()),
    ],
)
def test_sections(policy, reports, left_out):
    found = with_sections(some(("F.", "I."), ("G.", None), (None, "J."), (None, None)), policy)
    assert [s.report for s in found] == reports
    assert [note.ids for note in found.notes] == ([left_out] if left_out else [])
    if left_out:
        assert found.notes[0].rule == f"no {policy} section, study left out"


@pytest.mark.parametrize(
    ("policy", "text", "expected"),
    [
        ("keep", "Chest x-XXXX, XXXX.", "Chest x-XXXX, XXXX."),
        ("unlearned", "Chest x-XXXX, XXXX.", "Chest x-XXXX, XXXX."),
        ("drop", "Heart is normal. No XXXX of a pleural effusion.", "Heart is normal. No of a pleural effusion."),
        ("drop", "XXXX. Lungs are clear (XXXX-year-old).", "Lungs are clear."),
        ("drop", "Compared to ___, the edema is less.", "Compared to, the edema is less."),
        ("drop-sentence", "Heart is normal. No XXXX of an effusion. Lungs clear.", "Heart is normal. Lungs clear."),
        ("drop-sentence", "Since ___ it is 3.5 cm. It grew.", "It grew."),
    ],
)
def test_marks(policy, text, expected):
    assert [s.report for s in without_marks(some((text, None)), policy)] == [expected]


def test_only_training_reports_change_and_each_is_counted():
    train = some(("Clear XXXX lungs.", None), ("XXXX.", None), ("Clear.", None))
    found = without_marks(train, "drop-sentence")
    assert [s.report for s in found] == [None, None, "Clear."]
    assert [note.ids for note in found.notes] == [("s0", "s1")]
    assert [note.ids for note in without_marks(train, "drop").notes] == [("s0",), ("s1",)]
    assert without_marks(train, "unlearned") == train == without_marks(train, "keep")
    for split in ("val", "test", None):
        held_out = some(("Clear XXXX lungs.", None), split=split)
        assert without_marks(held_out, "drop") == held_out


@given(
    st.lists(st.sampled_from(["XXXX", "x-XXXX", "___", "the", "lungs", "are.", "clear,", "(", ").", ":"]), max_size=12)
)
def test_no_mark_is_left_and_no_word_is_added(words):
    text = " ".join(words)
    for policy in ("drop", "drop-sentence"):
        left = DEIDENTIFIED[policy](text)
        assert not MARK.search(left)
        assert set(re.findall(r"\w+", left)) <= set(re.findall(r"\w+", text))
    assert DEIDENTIFIED["keep"](text) == text


def test_the_settings_name_the_policies():
    hints = typing.get_type_hints(DataSettings)
    assert set(typing.get_args(hints["sections"])) == set(SECTIONS)
    assert set(typing.get_args(hints["deidentified"])) == set(DEIDENTIFIED)


def test_unknown_policies():
    with pytest.raises(DataError, match="sections is 'all', but must be one of findings, impression"):
        with_sections(some(), "all")
    with pytest.raises(DataError, match="deidentified is 'mask', but must be one of keep, unlearned, drop"):
        without_marks(some(), "mask")


def test_predictions_say_how_their_data_were_read(tmp_path):
    path = tmp_path / "predictions.jsonl"
    for policy in SECTIONS:
        path.write_text(json.dumps({"id": "a", "prediction": "x", "sections": policy.split("+")}) + "\n")
        assert reading_in(path) == {"sections": policy, "split_by": None}
    path.write_text('{"id": "a", "sections": ["findings"], "split_by": "seed:2"}')
    assert reading_in(path) == {"sections": "findings", "split_by": "seed:2"}
    for other in ("", "{", "[]", '{"sections": "x"}', '{"sections": [1]}', '{"id": "a"}', "\xff"):
        path.write_text(other, encoding="latin-1")
        assert reading_in(path) == {"sections": "findings", "split_by": None}
    assert reading_in(tmp_path / "absent.jsonl")["sections"] == "findings"


def test_the_development_copy(shared_data):
    spec = f"iu-xray:{shared_data / 'iu_xray'}"
    kept = open_studies(spec)
    marked = [s for s in kept.split("train") if "XXXX" in s.report]
    for policy in ("drop", "drop-sentence"):
        found = open_studies(spec, deidentified=policy)
        assert sum(len(note.ids) for note in found.notes if "de-identification" in note.rule) == len(marked) > 800
        assert not any("XXXX" in (s.report or "") for s in found.split("train"))
        assert found.split("val") == kept.split("val")
    assert len(open_studies(spec, sections="impression")) == 2647
