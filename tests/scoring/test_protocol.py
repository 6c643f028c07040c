"""What each protocol does to the two sides, and what it refuses to do without."""

import json

import pytest

from mrg_llm.errors import InputError
from mrg_llm.scoring.protocol import PROTOCOLS, protocol

TRAINING = ["the lungs are clear ."] * 12 + ["a rare nodule ."] * 2


def test_full_cuts_nothing_and_splits_punctuation() -> None:
    text = "The well-defined 3.5 cm Nodule, <unk>, isn't new.\n" + "Clear. " * 100
    ready = protocol("full").prepare([text], [text])
    assert ready.references[0].startswith("the well - defined 3.5 cm nodule , <unk> , isn ' t new . clear . clear")
    assert ready.references == ready.predictions
    assert ready.references[0].count("clear") == 100


def test_as_is_leaves_text_alone() -> None:
    ready = protocol("as-is").prepare(["A  b."], ["C/d "])
    assert (ready.predictions, ready.references) == (("A  b.",), ("C/d ",))


@pytest.mark.parametrize(("name", "words"), [("r2gen-iu", 59), ("r2gen-mimic", 99)])
def test_r2gen_cuts_references_one_word_short(name: str, words: int) -> None:
    long = " ".join(["lungs"] * 150)
    ready = protocol(name).prepare([long], [long], TRAINING + [long] * 10)
    assert len(ready.references[0].split()) == words
    assert len(ready.predictions[0].split()) == 151  # predictions are not cut, and get the final full stop


def test_r2gen_masks_rare_words_of_references_alone() -> None:
    ready = protocol("r2gen-iu").prepare(["A nodule, <unk>."], ["A rare nodule. The lungs are clear"], TRAINING)
    assert ready.references == ("<unk> <unk> <unk> . the lungs are clear .",)
    assert ready.predictions == ("a nodule <unk> .",)
    known = protocol("r2gen-iu").prepare([""], ["A rare nodule."], [*TRAINING, "a rare nodule ."])
    assert known.references == ("a rare nodule .",)  # three times seen is enough
    assert protocol("r2gen-mimic").prepare([""], ["A rare nodule."], TRAINING + TRAINING).references == (
        "<unk> <unk> <unk> .",
    )


def test_r2gen_leaves_no_empty_tokens() -> None:
    ready = protocol("r2gen-iu").prepare(["a. . b."], ["the. . lungs."], TRAINING)
    assert ready.predictions == ("a . . b .",)
    assert ready.references == ("the . . lungs .",)


def test_r2gengpt_cuts_with_the_tokenizer_it_is_given() -> None:
    calls = []

    def cut(text: str, n: int) -> str:
        calls.append(n)
        return text[:n]

    ready = protocol("r2gengpt-iu").prepare(["A <unk>b."], ["Lungs " * 30], cut=cut)
    assert calls == [60]
    assert len(ready.references[0]) == 60
    assert ready.predictions == ("a b .",)
    protocol("r2gengpt-mimic").prepare(["a"], ["b"], cut=cut)
    assert calls == [60, 100]


@pytest.mark.parametrize(
    ("name", "needs"),
    [("r2gen-iu", "--data"), ("r2gen-mimic", "--data"), ("r2gengpt-iu", "--llm"), ("r2gengpt-mimic", "--llm")],
)
def test_what_is_missing_is_said(name: str, needs: str) -> None:
    with pytest.raises(InputError, match=needs):
        protocol(name).prepare(["a"], ["b"])


def test_unknown_protocol_and_unequal_lengths() -> None:
    with pytest.raises(InputError, match="full, as-is"):
        protocol("coco")
    with pytest.raises(InputError, match="2 predictions and 1 references"):
        protocol("full").prepare(["a", "b"], ["c"])


def test_every_protocol_says_what_it_does() -> None:
    for name, row in PROTOCOLS.items():
        assert row.name == name
        assert len(row.words) > 60


def test_r2gen_gives_the_references_that_another_project_published(shared_data) -> None:
    annotation = shared_data / "iu_xray" / "annotation.json"
    published = shared_data / "published_outputs" / "HI-IA" / "results_iu_xray_gts.csv"
    if not (annotation.is_file() and published.is_file()):
        pytest.skip("the IU X-ray annotation or the published references are not here")
    studies = json.loads(annotation.read_text())
    reports = [s["report"] for s in studies["test"]]
    ready = protocol("r2gen-iu").prepare(reports, reports, [s["report"] for s in studies["train"]])
    known = set(published.read_text().split("\n"))
    assert sum(reference not in known for reference in ready.references) == 0
