"""Two processes, each with half of every batch, learn what one process with the whole batch learns; what is hidden by
chance is hidden by each for itself."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training.loop import train
from tests.training.test_loop import SCRIPT, losses

PROCESSES = 2
RECORDING = """
import json, os, runpy
from pathlib import Path
from mrg_llm.training import stages
some, hidden = stages.some, []
def recorded(shape, share, device):
    drawn = some(shape, share, device)
    if len(shape) == 1:
        hidden.append(drawn.tolist())
        Path("{folder}", f"hidden-{{os.environ['RANK']}}.json").write_text(json.dumps(hidden))
    return drawn
stages.some = recorded
runpy.run_path("{script}", run_name="__main__")
"""


@pytest.mark.parametrize("stage", ["align_global", "align_local", "generate"])
def test_two_processes_are_one_with_twice_the_batch(stage, tiny_values, tiny_studies, tmp_path):
    stages = {"align_global", "align_local", "generate"}
    for name in stages:
        tiny_values[name] |= {"epochs": 2 if name == stage else 0, "batch": 8}
    tiny_values["generate"]["contrast_weight"] = 0.0
    tiny_values["train"] |= {"lr": 1e-3, "lr_encoder": 1e-4}
    whole = train(Settings.model_validate(tiny_values), tiny_studies, tmp_path / "whole")
    tiny_values[stage]["batch"] = 8 // PROCESSES
    shared = in_two_processes(tiny_values, tiny_studies, tmp_path)
    assert losses(shared).keys() == losses(whole).keys()
    expected, found = load_file(whole / "model.safetensors"), load_file(shared / "model.safetensors")
    for name in expected:
        assert torch.allclose(expected[name], found[name], atol=2e-4), name


def test_each_process_hides_studies_of_its_own(tiny_values, tiny_studies, tmp_path):
    """And one process hides what it always hid, for a step's seed is then the same."""
    tiny_values["align_global"]["epochs"] = tiny_values["align_local"]["epochs"] = 0
    tiny_values["generate"] |= {"batch": 4, "epochs": 4, "blind": 0.5, "hide_words": 0.3}
    tiny_values["train"]["checkpoint_activations"] = True
    tiny_values["data"]["normal_share"] = 0.5
    if importlib.util.find_spec("peft"):
        tiny_values["model"]["language"]["lora_rank"] = 2
    script = tmp_path / "recording.py"
    script.write_text(RECORDING.format(script=str(SCRIPT), folder=str(tmp_path)))
    shared = in_two_processes(tiny_values, tiny_studies, tmp_path, script)
    hidden = [json.loads((tmp_path / f"hidden-{rank}.json").read_text()) for rank in range(PROCESSES)]
    assert len(hidden[0]) == len(hidden[1]) == len(losses(shared)) >= 3 and hidden[0] != hidden[1]
    torch.manual_seed(tiny_values["train"].get("seed", 0) * 1_000_003)
    assert (torch.rand(len(hidden[0][0])) < 0.5).tolist() == hidden[0][0]


def in_two_processes(values: dict, studies: StudySet, folder: Path, script: Path = SCRIPT) -> Path:
    """The run folder of a training under torchrun."""
    settings_file, studies_file = folder / "settings.json", folder / "studies.json"
    settings_file.write_text(Settings.model_validate(values).model_dump_json())
    studies_file.write_text(json.dumps([
        {"id": s.id, "split": s.split, "views": [str(v.path) for v in s.views], "report": s.report}
        for s in studies
    ]))  # fmt: skip
    shared = folder / "shared"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES),
               str(script), str(settings_file), str(studies_file), str(shared)]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0, done.stderr[:3000] + done.stderr[-3000:]
    return shared
