"""Preparing a model for training: layers that run again in the backward pass give the same loss and gradient."""

import pytest
import torch

from mrg_llm.model.decoding import write_reports
from mrg_llm.settings import DecodeSettings
from mrg_llm.training.precision import prepare_model
from tests.model.test_ahead import deep_model, losses_and_gradients
from tests.model.test_modeling import films


def kept_bytes(model) -> int:
    """What a forward pass keeps for the backward pass beside the model's own weights."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses_and_gradients(model)
    return sum(kept.values())


@pytest.mark.parametrize("cached", [True, False])
def test_recomputed_layers_give_the_same_and_keep_less(tiny_settings, monkeypatch, cached):
    if not cached:  # an LLM whose layers take no cache of ours
        monkeypatch.setattr("mrg_llm.model.ahead.fits", lambda language: False)
    plain, again = deep_model(tiny_settings, "after-image"), deep_model(tiny_settings, "after-image")
    prepare_model(plain, bf16=False)
    prepare_model(again, bf16=False, recompute=True)
    (losses, gradients), (same, alike) = losses_and_gradients(plain), losses_and_gradients(again)
    assert torch.equal(losses, same) and gradients.keys() == alike.keys()
    assert all(torch.equal(gradient, alike[name]) for name, gradient in gradients.items())
    assert kept_bytes(again) < 0.7 * kept_bytes(plain)


def test_recomputed_layers_write_the_same_reports(tiny_settings):
    plain, again = deep_model(tiny_settings, "after-image"), deep_model(tiny_settings, "after-image")
    prepare_model(again, bf16=False, recompute=True)
    with torch.inference_mode():
        written = [write_reports(m.eval(), m.see(*films()), DecodeSettings(max_new_tokens=6)) for m in (plain, again)]
    assert written[0] == written[1]
