"""Confidence of sentences: evidence, calibration file, and what becomes of a sentence under the threshold."""

import json

import numpy as np
import pytest

from mrg_llm.errors import CheckpointError
from mrg_llm.model.confidence import Calibration, agreement, judged, sentence_confidences, sentence_evidence, text_of
from mrg_llm.model.decoding import Draft
from mrg_llm.model.processing import Reporter, Shown
from mrg_llm.model.spans import END, sentence_tokens
from mrg_llm.settings import ConfidenceSettings, DecodeSettings

TEXTS = ["The heart is enlarged. No pneumothorax is seen.", "The lungs are clear.", ""]


def calibration(samples=0, **changes):
    names = ("mean", "least", "agreement")[: 3 if samples else 2]
    numbers = tuple(0.5 for _ in names)
    values = {
        "features": names, "means": numbers, "scales": numbers, "weights": numbers, "bias": 0.25, "samples": samples,
        "temperature": 0.7, "seed": 0, "ece": 0.03, "auroc": 0.8, "right": 0.9, "sentences": 100, "studies": 30,
    }  # fmt: skip
    return Calibration(**(values | changes))


@pytest.fixture
def batch(tiny_studies):
    films = np.random.default_rng(0).integers(0, 255, (3, 1, 32, 32), dtype=np.uint8)
    return tiny_studies.studies[:3], [Shown((), (), f) for f in films], [Draft(text, 9, True) for text in TEXTS]


def test_every_token_has_its_sentence(tiny_model):
    tokenizer = tiny_model.language.tokenizer
    text = " The heart is enlarged.  No  effusion. "
    sentences, numbers = sentence_tokens(tokenizer, text)
    ids = tokenizer(" ".join(text.split()), add_special_tokens=False).input_ids
    assert (
        sentences == ["The heart is enlarged.", "No effusion."] and numbers[-1] == END and len(numbers) == len(ids) + 1
    )
    said = [tokenizer.decode([t for t, n in zip(ids, numbers[:-1], strict=True) if n == i]).strip() for i in (0, 1)]
    assert said == sentences
    assert sentence_tokens(tokenizer, "") == ([], [END])


@pytest.mark.parametrize("samples", [0, 2])
def test_evidence_is_the_same_alone_and_in_a_batch(tiny_model, batch, samples):
    reporter = Reporter(tiny_model, DecodeSettings(max_new_tokens=6), "tiny")
    studies, shown, drafts = batch
    settings = ConfidenceSettings(samples=samples)
    found = sentence_evidence(reporter, studies, [s.squares for s in shown], drafts, settings)
    assert [len(texts) for texts, _ in found] == [2, 1, 0]
    assert [rows.shape for _, rows in found] == [(2, 2 + (samples > 0)), (1, 2 + (samples > 0)), (0, 2 + (samples > 0))]
    assert (found[0][1][:, 1] <= found[0][1][:, 0]).all() and (found[0][1][:, 0] < 0).all()
    alone = sentence_evidence(reporter, studies[:1], [shown[0].squares], drafts[:1], settings)
    assert np.allclose(alone[0][1], found[0][1], atol=1e-4)


def test_agreement_of_samples():
    samples = ["The heart is enlarged. Lungs clear.", "The heart is normal."]
    values = agreement(["The heart is enlarged.", "Zzz."], samples)
    assert 0.5 < values[0] < 1 and values[1] < 0.3
    assert agreement(["The heart is enlarged."], ["The heart is enlarged."]) == [1.0] and agreement(["a"], [""]) == [
        0.0
    ]


def test_without_a_calibration_nothing_is_measured_and_nothing_marked(tiny_model, batch):
    reporter = Reporter(tiny_model, DecodeSettings(), "tiny", confidence=ConfidenceSettings(threshold=1))
    found = sentence_confidences(reporter, *batch)
    assert [s.text for s in found[0]] == [
        "The heart is enlarged.",
        "No pneumothorax is seen.",
    ]
    assert all(s.confidence is None and not s.marked for sentences in found for s in sentences)


def test_the_threshold_and_what_it_does(tiny_model, batch):
    def below(**settings):
        reporter = Reporter(tiny_model, DecodeSettings(), "tiny", None, calibration(), ConfidenceSettings(**settings))
        return sentence_confidences(reporter, *batch)

    marked = below(threshold=1)
    assert [len(s) for s in marked] == [2, 1, 0] and all(s.marked and 0 <= s.confidence < 1 for s in marked[0])
    assert not any(s.marked for s in below(threshold=1, below="none")[0] + below(threshold=0)[0])
    assert below(threshold=1, below="drop") == [[], [], []]
    kept = judged(["A.", "B."], [0.4, 0.6], ConfidenceSettings(below="drop"))
    assert [s.text for s in kept] == ["B."] and text_of(Draft("A. B.", 4, True), kept) == "B."
    assert text_of(Draft("A.  B", 4, True), judged(["A.", "B"], [0.4, 0.6], ConfidenceSettings())) == "A.  B"


def test_the_file_goes_round_and_damage_is_told(tmp_path):
    path = tmp_path / "calibration.json"
    for one in (calibration(), calibration(samples=4)):
        path.write_bytes(one.to_bytes())
        assert Calibration.load(path) == one
    values = json.loads(calibration().to_bytes())
    for broken in ({}, [], values | {"weights": [0.5]}, values | {"scales": [0.0, 1.0]}, values | {"bias": "x"},
                   values | {"samples": 3}, values | {"bias": float("nan")}):  # fmt: skip
        path.write_text(json.dumps(broken))
        with pytest.raises(CheckpointError, match="mrg calibrate"):
            Calibration.load(path)
