"""Drafts that leave the program: sections apart, sentences with their confidence."""

from types import SimpleNamespace

import pytest

from mrg_llm.drafting import drafted, of_findings
from mrg_llm.model.confidence import ScoredSentence
from mrg_llm.model.decoding import Draft
from mrg_llm.settings import ConfidenceSettings


def reporter(text: str) -> SimpleNamespace:
    return SimpleNamespace(
        name="a-run", calibration=None, confidence=ConfidenceSettings(),
        drafts=lambda studies, shown, told: [Draft(text, 9, True)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "findings", "impression", "sentences"),
    [
        ("Clear lungs. Large heart.", "Clear lungs. Large heart.", None, ["Clear lungs.", "Large heart."]),
        ("Clear lungs. Impression: Normal. Go home.", "Clear lungs.", "Normal. Go home.", ["Clear lungs."]),
        ("Clear lungs Impression: Normal.", "Clear lungs", "Normal.", ["Clear lungs"]),
        ("Impression: Normal.", "", "Normal.", []),
        ("", "", None, []),
    ],
)
def test_sections_are_told_apart(text, findings, impression, sentences):
    (draft,) = drafted(reporter(text), [None], [None], [None])
    assert (draft.findings, draft.impression) == (findings, impression)
    assert [sentence.text for sentence in draft.sentences] == sentences
    assert draft.model == "a-run" and "not a medical device" in draft.notice


def test_sentences_keep_their_confidence():
    scored = [ScoredSentence("Large heart.", 0.3, True), ScoredSentence("Impression: Big.", 0.9)]
    (kept,) = of_findings(scored)
    assert (kept.text, kept.confidence, kept.marked) == ("Large heart.", 0.3, True)
