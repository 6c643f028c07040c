"""What must not assume a CPU, as far as it can be seen without a GPU: on torch's device without memory."""

import torch

from mrg_llm.training.checkpoint import optimizer_tensors, restore_optimizer
from mrg_llm.training.precision import best_device, is_bf16


def test_a_fused_optimizer_finds_its_step_counters_beside_the_weights():
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], fused=True)
    weight.grad = torch.ones(3)
    optimizer.step()
    saved = optimizer_tensors(optimizer, {weight: "w"})
    elsewhere = torch.nn.Parameter(torch.ones(3, device="meta"))
    other = torch.optim.AdamW([elsewhere], fused=True)
    restore_optimizer(other, {"w": elsewhere}, saved)
    assert {key: value.device.type for key, value in other.state[elsewhere].items()} == dict.fromkeys(
        ("step", "exp_avg", "exp_avg_sq"), "meta"
    )


def test_the_device_and_its_precision(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: None)
    assert best_device() == "cpu"
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: torch.device("cuda:1"))
    assert best_device() == "cuda"
    for has in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert is_bf16("auto", "cuda") is has
    assert is_bf16("bf16", "mps") and not is_bf16("auto", "mps")
