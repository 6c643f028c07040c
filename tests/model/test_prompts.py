"""The promptbook: what every variant is at the first step, and what it becomes."""

import pytest
import torch

from mrg_llm.model.configuration import PromptConfig
from mrg_llm.model.prompts import Promptbook

B, N, C, K, D = 3, 5, 8, 4, 6


def book(**settings) -> Promptbook:
    torch.manual_seed(0)
    config = PromptConfig(prompts=K, width=7, **settings)
    return Promptbook(config, torch.randn(K, D) * 0.1, feature_width=C, visual_width=D)


def sight(seed: int = 1) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(B, N, C, generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    return features, mask, torch.randn(B, C, generator=generator), torch.randn(B, D, generator=generator)


CUSTOMIZED = [
    {"variant": variant, "condition": condition, "shape": shape, "terms": terms}
    for variant in ("prompt-wise", "promptbook-wise")
    for condition in ("mean", "cls", "visual", "attention")
    for shape in ("vector", "scalar", "low-rank")
    for terms in ("both", "gamma", "beta")
]


@pytest.mark.parametrize("settings", CUSTOMIZED, ids=lambda s: "-".join(s.values()))
def test_at_the_first_step_every_variant_is_the_static_one(settings):
    static, _ = book(variant="static")(*sight())
    assert torch.equal(book(**settings)(*sight())[0], static)


@pytest.mark.parametrize("settings", CUSTOMIZED, ids=lambda s: "-".join(s.values()))
def test_only_the_last_layer_learns_at_the_first_step_and_then_images_differ(settings):
    prompts = book(**settings)
    (prompts(*sight())[0] ** 2).sum().backward()
    moving = {n for n, p in prompts.customizer.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moving and moving <= {"last_HRO", "last_bias_HO"}
    with torch.no_grad():
        prompts.customizer.last_HRO.normal_()
    customized, _ = prompts(*sight())
    assert customized.shape == (B, K, D)
    assert not torch.allclose(customized[0], customized[2])


def test_one_transformation_for_the_book_or_one_a_prompt():
    for variant, same in (("promptbook-wise", True), ("prompt-wise", False)):
        prompts = book(variant=variant)
        with torch.no_grad():
            prompts.customizer.last_HRO.normal_()
        delta, beta, _ = prompts.customizer(*sight())
        assert torch.equal(beta[:, 0], beta[:, -1]) == same
        expected = (1 + delta) * prompts.book_KD + prompts.unit * beta
        assert torch.equal(prompts(*sight())[0], expected)


@pytest.mark.parametrize("condition", ["mean", "attention"])
def test_a_view_that_is_not_there_changes_nothing(condition):
    prompts = book(variant="prompt-wise", condition=condition)
    with torch.no_grad():
        prompts.customizer.last_HRO.normal_()
    features, mask, cls, visual = sight()
    garbage = features.clone()
    garbage[1, 3:] = 1e4
    assert torch.allclose(prompts(features, mask, cls, visual)[0], prompts(garbage, mask, cls, visual)[0])


@pytest.mark.parametrize("variant", ["prompt-wise", "promptbook-wise"])
def test_dropout_is_for_training_alone(variant):
    promptbook = book(variant=variant, dropout=0.5)
    with torch.no_grad():
        promptbook.customizer.last_HRO.normal_()
    torch.manual_seed(0)
    once, again = promptbook(*sight())[0], promptbook(*sight())[0]
    assert not torch.equal(once, again)
    promptbook.eval()
    assert torch.equal(promptbook(*sight())[0], promptbook(*sight())[0])
