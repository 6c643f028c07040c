"""A tiny experiment: three arms that train and one control, on twelve studies of noise."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from mrg_llm.experiment import Asked, load_experiment, run_experiment
from mrg_llm.experiment.plan import Planned
from mrg_llm.studies.study import Finding, StudySet

FILE = """
name = "tiny"
what = "Does it run?"
preset = "{preset}"
seeds = [0, 1]
references = ["none", "static"]
protocols = ["full", "r2gen-iu"]

[[arm]]
name = "none"
what = "no prompts"
set = ["model.prompts.variant=none"]

[[arm]]
name = "static"
what = "static prompts"
set = ["model.prompts.variant=static"]

[[arm]]
name = "prompt-wise"
what = "customized prompts"

[[arm]]
name = "best-not-aligned"
what = "the better of the last two, not aligned"
best = 1
among = ["static", "prompt-wise"]
aligned = false

[[arm]]
name = "other-prompts"
what = "another film's prompts"
of = "prompt-wise"
shown = "other-prompts"
"""
QUIET = Console(quiet=True)


@pytest.fixture
def preset(tiny_values, tmp_path):
    """The tiny settings as a TOML file."""
    tiny_values["generate"] = {"epochs": 1, "batch": 4, "metric": "loss", "finding_weight": 2.0}
    tiny_values["align_local"]["epochs"] = tiny_values["align_global"]["epochs"] = 0.5
    path = tmp_path / "preset.toml"
    path.write_text("".join(table(name, values) for name, values in tiny_values.items()))
    return path


def table(name: str, values: dict) -> str:
    plain = [f"{key} = {json.dumps(value)}\n" for key, value in values.items() if not isinstance(value, dict)]
    nested = [table(f"{name}.{key}", value) for key, value in values.items() if isinstance(value, dict)]
    return f"[{name}]\n{''.join(plain)}{''.join(nested)}"


@pytest.fixture
def planned(preset, tmp_path) -> Planned:
    path = tmp_path / "experiment.toml"
    path.write_text(FILE.format(preset=preset))
    return load_experiment(str(path))


@pytest.fixture
def studies(tiny_studies) -> StudySet:
    """The tiny studies with true findings, as phantoms have them."""
    truths = [(), (Finding("effusion", "Pleural Effusion", size="small"),), (Finding("edema", "Edema", size="large"),)]
    known = tuple(replace(s, truth=truths[i % 3]) for i, s in enumerate(tiny_studies))
    return StudySet("phantom:tiny", known)


@pytest.fixture
def run(planned, studies, tmp_path, monkeypatch):
    """(changed what was asked, planned) -> tiny.json's content. The nearest film is the first training study."""

    def first(queries, training, progress=None):
        return {study.id: training[0].id for study in queries}

    monkeypatch.setattr("mrg_llm.model.nearest.nearest_training_films", first)

    def runs(planned=planned, **asked):
        path = run_experiment(planned, studies, Asked(tmp_path / "out", meteor=False, draws=40, **asked), QUIET)
        return path and json.loads(path.read_text())

    return runs
