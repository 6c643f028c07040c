"""The GPU benchmark's code with small shapes on a CPU: what it counts, and that every figure is there."""

import json
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from tests.conftest import REPOSITORY


class Counter(TorchDispatchMode):
    """torch's own formulas (its FlopCounterMode hooks modules, which the loss head's inner gradient does not allow)."""

    operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.operations += formula(*args, **(kwargs or {}), out_val=out)
        return out


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return pytest.importorskip("gpu", exc_type=ModuleNotFoundError)


def test_operations_are_those_that_torch_counts(gpu):
    model = gpu.random_model(True, 2, "none", "cpu", torch.float32)
    batch = gpu.random_batch(model, 3, "cpu")
    step = gpu.training_step(model, batch)
    with Counter() as counter:
        step()
    counted = gpu.step_operations(model, batch)
    # The customizer, which works on a row a study, is left out of the count.
    assert sum(counted.values()) == pytest.approx(counter.operations, rel=0.03)
    assert counted["frozen"] > counted["trained"] > 0


def test_operations_by_hand(gpu):
    """4 x (2 layers x (4 x 64 x 64 + 3 x 64 x 160)) x positions + 4 x 64 x 512 x report tokens."""
    model = gpu.random_model(True, 2, "none", "cpu", torch.float32)
    batch = gpu.random_batch(model, 1, "cpu")
    frame = len(model.frame.before) + len(model.frame.after)
    positions = frame + 2 * 2 + 32 + gpu.REPORT
    body = 2 * (4 * 64 * 64 + 3 * 64 * 160)
    assert gpu.step_operations(model, batch)["frozen"] == 4 * body * positions + 4 * 64 * 512 * gpu.REPORT
    weights, cache = gpu.step_bytes(model, 3)
    norms = 2 * 2 * 64
    assert weights == 4 * (body + norms + 64 * 512)
    assert cache == 2 * 2 * 64 * (frame + 2 * 2 + 32 + gpu.WRITTEN // 2) * 3 * 4


def test_every_figure_is_there(gpu, tmp_path, monkeypatch):
    out = tmp_path / "gpu.json"
    monkeypatch.setattr(gpu, "AT_ONCE", (1, 3))
    monkeypatch.setattr(gpu, "WRITTEN", 8)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--tiny", "--device", "cpu", "--batch", "2", "--rounds", "2",
                                      "--grid", "2", "--out", str(out)])  # fmt: skip
    assert gpu.main() == 0
    found = json.loads(out.read_text())
    section = found["sections"]["none"]
    step = section["systems"].pop("training step")
    assert step["utilisation"] > 0 and step["peak_gb"] > 0 and len(step["rounds"]) == 2
    assert step["utilisation"] == pytest.approx(section["floors"]["training step"]["value"] / step["median"])
    assert list(section["systems"]) == ["decoding step, 1 at once", "decoding step, 3 at once"]
    for system in section["systems"].values():
        assert system["tokens_a_second"] > 0 and system["times_weight_floor"] > 0
    assert found["notes"] == ["card: none", "random weights, tiny shapes"]


def test_without_a_gpu_it_says_so(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert gpu.main() == 2
    assert "needs a CUDA GPU" in capsys.readouterr().err
