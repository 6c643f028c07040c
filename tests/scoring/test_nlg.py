"""BLEU, ROUGE-L and CIDEr: equal to pycocoevalcap's on the same strings, whatever the strings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from mrg_llm.scoring.nlg import language_tallies

HI_IA = {
    "bleu1": 0.407917,
    "bleu2": 0.271721,
    "bleu3": 0.199861,
    "bleu4": 0.152463,
    "rouge_l": 0.380470,
    "cider": 0.440870,
}
word = st.sampled_from(["the", "lung", "lungs", "clear", ".", "épanchement", "胸腔", "<unk>", "\u00a0", "𝛼"])
text = st.lists(word, max_size=14).map(" ".join) | st.sampled_from(["", " ", "a  b", " a", "a ", "\t"])
pairs = st.lists(st.tuples(text, text), min_size=1, max_size=8)


def ours(predictions, references) -> dict[str, float]:
    return {name: v for tally in language_tallies(predictions, references) for name, v in tally.values().items()}


def theirs(predictions, references) -> dict[str, float]:
    truth, said = ({i: [t] for i, t in enumerate(texts)} for texts in (references, predictions))
    values = dict(
        zip(("bleu1", "bleu2", "bleu3", "bleu4"), Bleu(4).compute_score(truth, said, verbose=0)[0], strict=True)
    )
    values["rouge_l"] = Rouge().compute_score(truth, said)[0]
    with np.errstate(all="ignore"):
        values["cider"] = Cider().compute_score(truth, said)[0]
    return values


@given(pairs)
@settings(max_examples=150, deadline=None)
def test_equal_to_pycocoevalcap(drawn) -> None:
    predictions, references = zip(*drawn, strict=True)
    if not any(r.split() for r in references):
        references = ("the", *references[1:])  # pycocoevalcap's CIDEr cannot take references without any word
    expected = theirs(predictions, references)
    for name, value in ours(predictions, references).items():
        assert value == pytest.approx(expected[name], abs=1e-9), name


def test_references_without_a_word_give_zero() -> None:
    assert all(value < 1e-6 for value in ours(["the"], [""]).values())


def test_published_outputs(shared_data) -> None:
    folder = shared_data / "published_outputs" / "HI-IA"
    if not folder.is_dir():
        pytest.skip("the published outputs of HI-IA are not here")
    predictions, references = (
        (folder / f"results_iu_xray_{side}.csv").read_text().removesuffix("\n").split("\n") for side in ("res", "gts")
    )
    assert len(predictions) == 590
    for name, value in ours(predictions, references).items():
        assert value == pytest.approx(HI_IA[name], abs=1e-6), name


def test_identical_texts_reach_the_maximum() -> None:
    texts = ["the lungs are clear .", "there is a left effusion .", "the heart is enlarged today ."]
    values = ours(texts, texts)
    assert values["cider"] == pytest.approx(10)
    assert all(value == pytest.approx(1) for name, value in values.items() if name != "cider")


def test_order_does_not_matter() -> None:
    predictions = ["the lungs are clear", "a b c d e", "", "heart normal"]
    references = ["the lungs are quite clear", "a b d e", "no effusion", "heart size normal"]
    order = [2, 0, 3, 1]
    assert ours([predictions[i] for i in order], [references[i] for i in order]) == pytest.approx(
        ours(predictions, references), abs=1e-12
    )


def test_rouge_l_alone_sees_two_spaces() -> None:
    one, two = ours(["a b c d"], ["a b c d e"]), ours(["a  b c d"], ["a b c d e"])
    assert one["rouge_l"] != two["rouge_l"]
    assert one["bleu4"] == two["bleu4"]


def test_per_study_rouge_and_cider_average_to_the_corpus_value() -> None:
    predictions, references = ["a b c", "d e f g"], ["a b c d", "d e g f"]
    tally = language_tallies(predictions, references)[1]
    for name, values in tally.per_study().items():
        assert values.mean() == pytest.approx(tally.values()[name])
