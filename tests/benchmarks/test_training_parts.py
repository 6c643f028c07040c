"""The benchmark's steps with a technique off: each gives the loss of the step as it is."""

import sys

import pytest
import torch

from tests.conftest import REPOSITORY


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import training_parts

    yield training_parts
    for name in ("training_parts", "training", "common"):
        sys.modules.pop(name, None)


def test_every_technique_is_exact_and_leaves_the_model_as_it_was(parts, tiny_values):
    from mrg_llm.settings import Settings

    tiny_values["model"]["vision"]["trained_layers"] = 1
    tiny_values["model"]["prompts"]["deep"] = True
    tiny_values["generate"]["contrast_weight"] = 0
    bench = parts.Bench(Settings.model_validate(tiny_values), batch=4)
    weights = {n: p.detach().clone() for n, p in bench.model.named_parameters()}
    for name, step in parts.STEPS.items():
        step(bench, name)
    assert all(torch.equal(p, weights[n]) for n, p in bench.model.named_parameters())
    assert not any(p.requires_grad for p in bench.model.language.parameters())
    for name in parts.STEPS:
        base = "long instruction" if name.startswith("long") else "mrg"
        assert bench.losses[name] == pytest.approx(bench.losses[base], abs=1e-5), name
    bench.step("mrg again")
    assert bench.losses["mrg again"] == bench.losses["mrg"]
