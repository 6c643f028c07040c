"""Cross entropy under a frozen head against torch's own over all logits at once."""

import pytest
import torch

from mrg_llm.model import head
from mrg_llm.model.head import frozen_cross_entropy


@pytest.mark.parametrize("positions", [0, 1, 7, 9])
def test_loss_and_gradient_are_those_of_all_logits_at_once(positions, monkeypatch):
    monkeypatch.setattr(head, "AT_ONCE", 4)
    torch.manual_seed(0)
    linear = torch.nn.Linear(8, 30, bias=False).requires_grad_(False)
    hidden, weights = torch.randn(positions, 8, requires_grad=True), torch.rand(positions)
    ids = torch.randint(30, (positions,))
    expected = torch.nn.functional.cross_entropy(linear(hidden), ids, reduction="none")
    (wanted,) = torch.autograd.grad((expected * weights).sum(), hidden)
    ours = frozen_cross_entropy(hidden, linear, ids)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), hidden)
    assert torch.allclose(ours, expected, atol=1e-6) and torch.allclose(gradient, wanted, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(frozen_cross_entropy(hidden, linear, ids), ours)
