"""Matrices in the form in which a processor reads them: nothing is lost, or a known share of it."""

import pytest
import torch
from torch import nn

from mrg_llm.model import matrices
from mrg_llm.model.matrices import matrix

needs_packing = pytest.mark.skipif(not matrices.can_pack(), reason="torch was built without FBGEMM")


Drawn = tuple[list[nn.Linear], torch.Tensor]


@pytest.fixture
def drawn() -> Drawn:
    """Two matrices with biases, of weights that bfloat16 holds, and rows."""
    torch.manual_seed(0)
    linears = [nn.Linear(24, 40), nn.Linear(24, 30)]
    for linear in linears:
        linear.weight.data = torch.randn_like(linear.weight).bfloat16().float()
    return linears, torch.randn(9, 24)


def exact(linears: list[nn.Linear], x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x.double() @ m.weight.double().T + m.bias.double() for m in linears], dim=-1).float()


@pytest.mark.parametrize("at_once", [2048, 16])
@pytest.mark.parametrize("form", ["plain", "packed"])
def test_nothing_is_lost(drawn, form, at_once, monkeypatch):
    monkeypatch.setattr(matrices, "AT_ONCE", at_once)
    linears, x = drawn
    with torch.inference_mode():
        assert torch.allclose(matrix(linears, form)(x), exact(linears, x), atol=1e-5)
        linears[0].bias = linears[1].bias = None
        plain = torch.cat([linear(x) for linear in linears], dim=-1)
        assert torch.allclose(matrix(linears, form)(x), plain, atol=1e-5)


@needs_packing
@pytest.mark.parametrize("change", [1 + 2**-20, 1e6, 1e-8], ids=["too fine", "too large", "too small"])
def test_what_does_not_fit_is_not_packed(drawn, change, monkeypatch):
    (linear, _), x = drawn
    linear.weight.data *= change
    monkeypatch.setattr(matrices, "halved", lambda *given: pytest.fail("packed"))
    with torch.inference_mode():
        assert torch.equal(matrix([linear], "packed")(x), linear(x))


@needs_packing
def test_int8_is_near(drawn):
    linears, x = drawn
    with torch.inference_mode():
        expected = exact(linears, x)
        error = (matrix(linears, "int8")(x) - expected).abs().mean() / expected.abs().mean()
    assert 0 < error < 0.03
