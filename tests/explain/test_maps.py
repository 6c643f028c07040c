"""Heat maps of sentences: their shape, their range, and that they find what a sentence hangs on."""

import numpy as np
import pytest
import torch

from mrg_llm.explain import explain, moved_prompts
from mrg_llm.model.processing import Reporter, Shown
from mrg_llm.settings import DecodeSettings

TEXT = "The heart is enlarged. There is a small left pleural effusion. No pneumothorax is seen."


@pytest.fixture
def shown():
    squares = np.random.default_rng(0).integers(0, 255, (2, 32, 32), dtype=np.uint8)
    return Shown(("a", "b"), (), squares)


@pytest.fixture
def reporter(tiny_model):
    """What starts at zero, and so carries no gradient in an untrained model, made to carry one."""
    torch.manual_seed(0)
    with torch.no_grad():
        tiny_model.promptbook.customizer.last_HRO.normal_(std=0.3)
    return Reporter(tiny_model, DecodeSettings(), "tiny")


def test_a_map_for_each_sentence_and_view(reporter, shown):
    found = explain(reporter, shown, TEXT)
    assert found.sentences == tuple(f"{s}." for s in TEXT.rstrip(".").split(". "))
    assert found.maps.shape == (3, 2, 4, 4) and found.maps.dtype == np.float32
    assert found.maps.min() >= 0 and np.allclose(found.maps.max(axis=(1, 2, 3)), 1)
    assert np.abs(np.corrcoef(found.maps.reshape(3, -1)) - np.eye(3)).max() < 0.99
    assert all(p.grad is None for p in reporter.model.parameters())
    with torch.inference_mode():  # as a server may call it
        assert np.array_equal(explain(reporter, shown, TEXT).maps, found.maps)


def test_one_sentence_and_none(reporter, shown):
    assert explain(reporter, shown, "The heart is enlarged.").maps.max() == 1
    found = explain(reporter, shown, "  ")
    assert found.sentences == () and found.maps.shape == (0, 2, 4, 4)


def test_the_only_patch_that_is_looked_at_is_found(reporter, shown, monkeypatch):
    shown_by = reporter.model.shown

    def one_patch(patches, cls, views):
        only = torch.zeros(1, patches.shape[1], 1)
        only[0, 6] = 1
        return shown_by(patches * only, cls, views)

    monkeypatch.setattr(reporter.model, "shown", one_patch)
    maps = explain(reporter, shown, TEXT).maps.reshape(3, 2, 16)
    assert maps.max() == 1 and np.delete(maps, 6, axis=2).max() == 0


@pytest.mark.parametrize("cut", ["visual tokens", "prompts", "both"])
def test_both_ways_to_the_language_model_count(reporter, shown, monkeypatch, cut):
    model = reporter.model
    if cut != "prompts":
        to_words = model.projection.to_words
        monkeypatch.setattr(
            model.projection, "to_words", lambda features: to_words(features.detach()) + 0 * features.sum()
        )
    if cut != "visual tokens":
        condition = model.promptbook.customizer.condition
        monkeypatch.setattr(
            model.promptbook.customizer, "condition", lambda features, *rest: condition(features.detach(), *rest)
        )
    assert (explain(reporter, shown, TEXT).maps.max() > 0) == (cut != "both")


def test_prompts_that_a_film_moved(reporter, shown, tiny_studies):
    moved = moved_prompts(reporter, shown, tiny_studies.split("train"))
    assert moved.from_book.shape == moved.from_usual.shape == (3,)
    assert moved.from_book.min() > 0 and not np.allclose(moved.from_book, moved.from_usual)
    alone = moved_prompts(reporter, shown)
    assert alone.from_usual is None and np.array_equal(alone.from_book, moved.from_book)
    with torch.no_grad():
        for p in (reporter.model.promptbook.customizer.last_HRO, reporter.model.promptbook.customizer.last_bias_HO):
            p.zero_()
    assert np.allclose(moved_prompts(reporter, shown).from_book, 0)
