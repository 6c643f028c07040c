"""Heat maps of sentences: their shape, their range, and that they find what a sentence hangs on."""

import numpy as np
import pytest
import torch

from mrg_llm.explain import explain
from mrg_llm.model.processing import Reporter, Shown
from mrg_llm.settings import DecodeSettings

TEXT = "The heart is enlarged. There is a small left pleural effusion. No pneumothorax is seen."


@pytest.fixture
def shown():
    squares = np.random.default_rng(0).integers(0, 255, (2, 32, 32), dtype=np.uint8)
    return Shown(("a", "b"), (), squares)


def moving(model):
    """What starts at zero, and so carries no gradient in an untrained model, made to carry one."""
    torch.manual_seed(0)
    with torch.no_grad():
        model.promptbook.customizer.last_HRO.normal_(std=0.3)
    return model


def test_a_map_for_each_sentence_and_view(tiny_model, shown):
    found = explain(Reporter(moving(tiny_model), DecodeSettings(), "tiny"), shown, TEXT)
    assert found.sentences == tuple(f"{s}." for s in TEXT.rstrip(".").split(". "))
    assert found.maps.shape == (3, 2, 4, 4) and found.maps.dtype == np.float32
    assert found.maps.min() >= 0 and np.allclose(found.maps.max(axis=(1, 2, 3)), 1)
    flat = found.maps.reshape(3, -1)
    assert np.corrcoef(flat)[0, 1] < 0.99
    assert all(p.grad is None for p in tiny_model.parameters())


def test_nothing_written_has_no_map(tiny_model, shown):
    found = explain(Reporter(tiny_model, DecodeSettings(), "tiny"), shown, "  ")
    assert found.sentences == () and found.maps.shape == (0, 2, 4, 4)
