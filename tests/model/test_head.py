"""Cross entropy under a frozen head against torch's own over all logits at once."""

import pytest
import torch

from mrg_llm.model import head
from mrg_llm.model.head import frozen_cross_entropy


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("positions", [0, 1, 7, 9])
def test_loss_and_gradient_are_those_of_all_logits_at_once(positions, bias, monkeypatch):
    monkeypatch.setattr(head, "BLOCK", 8)
    torch.manual_seed(0)
    linear = torch.nn.Linear(8, 30, bias=bias).requires_grad_(False)
    hidden, weights = (3 * torch.randn(positions, 8)).requires_grad_(), torch.rand(positions)
    ids = torch.randint(30, (positions,))
    expected = torch.nn.functional.cross_entropy(linear(hidden), ids, reduction="none")
    (wanted,) = torch.autograd.grad((expected * weights).sum(), hidden)
    ours = frozen_cross_entropy(hidden, linear, ids)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), hidden)
    assert torch.allclose(ours, expected, atol=2e-6) and torch.allclose(gradient, wanted, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(frozen_cross_entropy(hidden, linear, ids), ours)


def test_words_that_are_hardly_possible_have_a_finite_loss():
    linear = torch.nn.Linear(4, 30, bias=False).requires_grad_(False)
    hidden, ids = 1e4 * torch.randn(5, 4), torch.arange(5)
    expected = torch.nn.functional.cross_entropy(linear(hidden), ids, reduction="none")
    assert torch.allclose(frozen_cross_entropy(hidden, linear, ids), expected, rtol=1e-5)


def test_bfloat16_is_as_near_as_all_logits_at_once(monkeypatch):
    monkeypatch.setattr(head, "BLOCK", 8)
    torch.manual_seed(0)
    linear = torch.nn.Linear(16, 30, bias=False).requires_grad_(False)
    hidden, ids = torch.randn(9, 16, requires_grad=True), torch.randint(30, (9,))
    (wanted,) = torch.autograd.grad(frozen_cross_entropy(hidden, linear, ids).sum(), hidden)
    rounded = hidden.detach().bfloat16().requires_grad_()
    losses = frozen_cross_entropy(rounded, linear.bfloat16(), ids)
    (gradient,) = torch.autograd.grad(losses.sum(), rounded)
    assert losses.dtype == torch.float32 and gradient.dtype == torch.bfloat16
    assert torch.allclose(gradient.float(), wanted, atol=1e-2)


def test_another_kind_of_head_is_run_as_it_is():
    head = torch.nn.Sequential(torch.nn.Linear(8, 30), torch.nn.Tanh()).requires_grad_(False)
    hidden, ids = torch.randn(4, 8), torch.arange(4)
    expected = torch.nn.functional.cross_entropy(head(hidden), ids, reduction="none")
    assert torch.equal(frozen_cross_entropy(hidden, head, ids), expected)
