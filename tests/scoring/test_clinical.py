"""The labeler against hand-written sentences, and what must hold for any text."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.scoring import clinical
from mrg_llm.scoring.clinical import OBSERVATIONS, label_file, label_report, label_reports
from mrg_llm.scoring.rulebook import Phrases, phrase, table

DATA = Path(__file__).parent / "data"
VOCABULARY = (
    "no not without effusion pneumothorax heart lungs is are clear normal enlarged the left right base in "
    "possible cannot exclude resolved atelectasis or and but , . ; ( XXXX <unk> nodule opacity of change there"
)
WORDS = VOCABULARY.split()


def hand_written() -> list[tuple[str, dict[str, int]]]:
    lines = (DATA / "sentences.tsv").read_text(encoding="utf-8").splitlines()
    cases = []
    for line in lines[2:]:
        text, expected = line.split("\t")
        pairs = [pair.split("=") for pair in expected.split("; ") if pair]
        cases.append((text, {name: int(value) for name, value in pairs}))
    return cases


def mentioned(text: str) -> dict[str, int]:
    labels = label_report(text).labels
    return {name: value for name, value in labels.items() if value is not None and name != "No Finding"}


def test_there_are_enough_hand_written_sentences() -> None:
    assert len(hand_written()) >= 150


@pytest.mark.parametrize(("text", "expected"), hand_written(), ids=lambda case: case if isinstance(case, str) else "")
def test_hand_written_sentence(text: str, expected: dict[str, int]) -> None:
    assert mentioned(text) == expected


@pytest.mark.parametrize(("text", "expected"), hand_written(), ids=lambda case: case if isinstance(case, str) else "")
def test_case_does_not_matter(text: str, expected: dict[str, int]) -> None:
    assert mentioned(text.lower()) == mentioned(text.upper()) == expected


def test_no_finding_is_derived() -> None:
    assert label_report("The lungs are clear. Pacemaker in place.").labels["No Finding"] == 1
    assert label_report("Calcified granuloma. Degenerative spine.").labels["No Finding"] == 1
    assert label_report("Possible effusion.").labels["No Finding"] is None
    assert set(label_report(" . XXXX \n").labels.values()) == {None}


def test_strongest_mention_wins() -> None:
    assert label_report("No pneumothorax. Possible pneumothorax.").labels["Pneumothorax"] == -1
    assert label_report("Small pneumothorax. No pneumothorax.").labels["Pneumothorax"] == 1


def test_spans_say_where_and_why() -> None:
    text = "Heart is normal.\nNo XXXX pneumo-\nthorax, or left  EFFUSION."
    span = next(s for s in label_report(text).spans if s.observation == "Pleural Effusion")
    assert text[span.start : span.end] == "EFFUSION" and span.value == 0 and "no" in span.rule


def test_label_reports_is_a_matrix() -> None:
    matrix = label_reports(["Small effusion.", "No effusion.", ""])
    assert matrix.shape == (3, 14)
    column = OBSERVATIONS.index("Pleural Effusion")
    np.testing.assert_array_equal(matrix[:, column], [1, 0, np.nan])
    assert label_reports([]).shape == (0, 14)


@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)))
def test_any_text_gets_the_same_labels_twice_and_spans_inside_it(text: str) -> None:
    labelled = label_report(text)
    assert labelled == label_report(text)
    assert list(labelled.labels) == list(OBSERVATIONS)
    assert set(labelled.labels.values()) <= {1, 0, -1, None}
    assert all(0 <= span.start < span.end <= len(text) for span in labelled.spans)
    for span in labelled.spans:
        assert labelled.labels[span.observation] is not None


@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_plain_words_read_alike_in_any_case(words: list[str]) -> None:
    text = " ".join(words)
    assert label_report(text).labels == label_report(text.upper()).labels


def test_phrase_language() -> None:
    row = {"phrase": "(left|right) [lower] lobe .. opaci*"}
    found = Phrases([row])
    assert [m[:2] for m in found.find("a left lower lobe patchy opacity")] == [(2, 32)]
    assert list(found.find("right lobe")) == []
    assert list(found.find("left lobe , opacity")) == [], "a gap does not cross punctuation"
    assert list(Phrases([]).find("anything")) == []


@pytest.mark.parametrize("name", ["findings", "cues", "subjects", "predicates", "alternatives", "sites", "sides"])
def test_every_phrase_compiles_alone(name: str) -> None:
    for row in table(name):
        assert re.compile(phrase(row["phrase"])).groups == 0


def test_tables_name_known_observations() -> None:
    named = {row["observation"] for name in ("findings", "statements", "rollup", "homes") for row in table(name)}
    assert named == set(OBSERVATIONS[1:])


def test_label_file_round_trip(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "Small effusion."}\n\n{"id": "b", "text": "No effusion."}\n')
    assert label_file(source, out) == 2
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == [1, "b"]
    assert rows[0]["labels"]["Pleural Effusion"] == 1 and rows[0]["spans"][0]["observation"] == "Pleural Effusion"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("bad", ["{", "[]", '{"id": 1}', '{"text": "a"}', '{"id": 1, "text": 3}'])
def test_label_file_names_the_bad_line_and_writes_nothing(tmp_path: Path, bad: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "text": "secret"}\n' + bad + "\n")
    with pytest.raises(DataError, match="line 2") as caught:
        label_file(source, tmp_path / "out.jsonl")
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_label_file_without_a_place_to_write(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "text": "a"}\n')
    with pytest.raises(ResourceError):
        label_file(source, tmp_path / "none" / "out.jsonl")
    with pytest.raises(DataError):
        label_file(tmp_path / "absent.jsonl", tmp_path / "out.jsonl")


def test_quality_is_measured_or_unknown() -> None:
    quality = clinical.labeler_quality()
    if quality is not None:
        assert set(quality["present"]) == {*OBSERVATIONS, "micro"}
        assert quality["n"] > 0
