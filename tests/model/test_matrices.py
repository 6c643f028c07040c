"""Matrices in the form in which a processor reads them: nothing is lost, or a known share of it."""

import pytest
import torch

from mrg_llm.model import matrices
from mrg_llm.model.matrices import matrix

needs_packing = pytest.mark.skipif(not matrices.can_pack(), reason="torch was built without FBGEMM")


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(70, 24).bfloat16().float(), torch.randn(70), torch.randn(9, 24)


@pytest.mark.parametrize("at_once", [2048, 16])
def test_what_fits_two_bytes_is_exact(drawn, at_once, monkeypatch):
    monkeypatch.setattr(matrices, "AT_ONCE", at_once)
    weight, bias, x = drawn
    expected = (x.double() @ weight.double().T + bias.double()).float()
    assert torch.allclose(matrix(weight, bias)(x), expected, atol=1e-5)
    assert torch.allclose(matrix(weight, None)(x), expected - bias, atol=1e-5)


@needs_packing
@pytest.mark.parametrize("change", [1 + 2**-20, 1e6, 1e-8], ids=["too fine", "too large", "too small"])
def test_what_does_not_fit_is_not_packed(drawn, change, monkeypatch):
    weight, _, x = drawn
    monkeypatch.setattr(matrices, "halved", lambda *given: pytest.fail("packed"))
    assert torch.equal(matrix(weight * change, None)(x), x @ (weight * change).T)


@needs_packing
def test_int8_is_near(drawn):
    weight, bias, x = drawn
    expected = x @ weight.T + bias
    error = (matrix(weight, bias, int8=True)(x) - expected).abs().mean() / expected.abs().mean()
    assert 0 < error < 0.03
