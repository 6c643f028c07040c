"""Constant words that were read once: loss and gradient are those of the whole sequence."""

import pytest
import torch

from mrg_llm.model.ahead import Ahead
from mrg_llm.model.modeling import MRGModel
from tests.model.test_modeling import customize, films


def losses_and_gradients(model) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    ids = torch.tensor([[11, 12, 13], [14, 15, 16], [17, 18, 19]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]]).bool()
    model.zero_grad()
    losses = model.token_losses(model.see(*films()), ids, mask)
    losses.sum().backward()
    return losses.detach(), {n: p.grad for n, p in model.trained_parameters().items() if p.grad is not None}


def deep_model(settings, position: str) -> MRGModel:
    torch.manual_seed(0)
    prompts = settings.model.prompts.model_copy(update={"deep": True, "position": position})
    model = MRGModel.build(settings.model.model_copy(update={"prompts": prompts})).eval()
    customize(model)
    for parameter in model.promptbook.deep.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize("attention", ["sdpa", "eager", "mrg_matmul"])
@pytest.mark.parametrize("position", ["before-image", "after-image", "before-answer"])
def test_loss_and_gradient_are_those_of_the_whole_sequence(tiny_settings, monkeypatch, position, attention):
    model = deep_model(tiny_settings, position)
    model.language.model.set_attn_implementation(attention)
    assert len(Ahead(model.language, model.frame.before)) == len(model.frame.before) > 0
    losses, gradients = losses_and_gradients(model)
    monkeypatch.setattr("mrg_llm.model.ahead.fits", lambda language: False)
    assert len(Ahead(model.language, model.frame.before)) == 0
    whole, expected = losses_and_gradients(model)
    assert torch.allclose(losses, whole, atol=1e-5)
    assert gradients.keys() == expected.keys() and "promptbook.deep.offset_LKD" in gradients
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, expected[name], atol=1e-5 + 1e-4 * float(expected[name].abs().max())), name


def test_training_may_use_what_a_validation_read_first(tiny_model):
    with torch.inference_mode():
        ids = torch.tensor([[11, 12]] * 3)
        tiny_model.token_losses(tiny_model.see(*films()), ids, torch.ones_like(ids, dtype=torch.bool))
    assert len(tiny_model.language.read) == 1
    _, gradients = losses_and_gradients(tiny_model)
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())
