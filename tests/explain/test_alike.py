"""The training studies that look most alike, and the page with everything on it."""

import pytest

from mrg_llm.explain import alike, likest_studies
from mrg_llm.explain.story import explained
from mrg_llm.model.confidence import ScoredSentence
from mrg_llm.model.configuration import VisionConfig
from mrg_llm.model.processing import Reporter
from mrg_llm.settings import DecodeSettings


@pytest.fixture
def reporter(tiny_model, tiny_vit, monkeypatch):
    monkeypatch.setattr(alike, "ENCODER", VisionConfig(source=str(tiny_vit), side_px=32))
    return Reporter(tiny_model, DecodeSettings(), "tiny")


def test_a_training_study_is_most_like_itself(reporter, tiny_studies):
    training, done = tiny_studies.split("train"), []
    shown = reporter.shown([view.path for view in training[3].views])
    found = likest_studies(shown, training, 2, done.append)
    assert found[0].study.id == training[3].id and found[0].likeness == pytest.approx(1, abs=1e-4)
    assert len(found) == 2 and found[1].likeness < found[0].likeness and done[-1] == len(training)


def test_everything_on_one_page(reporter, tiny_studies):
    training = tiny_studies.split("train")
    shown = reporter.shown([training[1].views[0].path])
    scored = [ScoredSentence("The heart is enlarged.", 0.4, True), ScoredSentence("No effusion.", 0.8)]
    text = explained(reporter, reporter.asked(), shown, scored, training).decode()
    assert training[1].id in text and "uncertain, 40 %" in text and "data:image/jpeg" in text
    assert "Prompts that the film moved most" in text and text.count('class="alike"') == 3
