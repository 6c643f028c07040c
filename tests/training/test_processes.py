"""Two processes, each with half of every batch, learn what one process with the whole batch learns."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from mrg_llm.settings import Settings
from mrg_llm.training.loop import train
from tests.training.test_loop import SCRIPT, losses

PROCESSES = 2


@pytest.mark.parametrize("stage", ["align_global", "align_local", "generate"])
def test_two_processes_are_one_with_twice_the_batch(stage, tiny_values, tiny_studies, tmp_path):
    stages = {"align_global", "align_local", "generate"}
    for name in stages:
        tiny_values[name] |= {"epochs": 2 if name == stage else 0, "batch": 8}
    tiny_values["generate"]["contrast_weight"] = 0.0
    tiny_values["train"] |= {"lr": 1e-3, "lr_encoder": 1e-4}
    whole = train(Settings.model_validate(tiny_values), tiny_studies, tmp_path / "whole")
    tiny_values[stage]["batch"] = 8 // PROCESSES
    settings_file, studies_file = tmp_path / "settings.json", tmp_path / "studies.json"
    settings_file.write_text(Settings.model_validate(tiny_values).model_dump_json())
    studies_file.write_text(json.dumps([
        {"id": s.id, "split": s.split, "views": [str(v.path) for v in s.views], "report": s.report}
        for s in tiny_studies
    ]))  # fmt: skip
    shared = tmp_path / "shared"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES),
               str(SCRIPT), str(settings_file), str(studies_file), str(shared)]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0, done.stderr[:3000] + done.stderr[-3000:]
    assert losses(shared).keys() == losses(whole).keys()
    expected, found = load_file(whole / "model.safetensors"), load_file(shared / "model.safetensors")
    for name in expected:
        assert torch.allclose(expected[name], found[name], atol=2e-4), name
