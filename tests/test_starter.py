"""The starter model: a run becomes its folder, and the verbs that write use it by name."""

import gc
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from typer.testing import CliRunner

from mrg_llm import boxed, publishing, runs
from mrg_llm.cli import app
from mrg_llm.cli.options import uncollected
from mrg_llm.errors import CheckpointError, InputError
from mrg_llm.model.confidence import Calibration
from mrg_llm.model.familiarity import FEWEST, Familiarity
from mrg_llm.publishing import publish_starter
from mrg_llm.settings import DecodeSettings, Settings
from mrg_llm.starter_card import Evidence, read_evidence
from mrg_llm.studies.study import StudySet
from mrg_llm.training.checkpoint import verify
from mrg_llm.training.loop import train
from mrg_llm.training.publish import keep_calibration

SCORES = {
    "protocol": "full", "n": 3, "metrics": {"bleu4": {"value": 0.1234, "low": 0.1, "high": 0.15}},
    "baselines": {"constant": {"metrics": {"bleu4": {"value": 0.2, "low": 0.1, "high": 0.3}}}},
}  # fmt: skip
STRANGERS = {
    "films": 7, "split": "val", "false_alarms": {"value": 0.0, "low": 0.0, "high": 0.1},
    "strangers": {"noise": {"n": 9, "beyond": {"value": 1.0, "low": 0.9, "high": 1.0},
                            "auroc": {"value": 0.987, "low": 0.9, "high": 1.0}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def familiarity():
    return Familiarity.fit(np.random.default_rng(0).normal(size=(FEWEST, 384)))


@pytest.fixture
def run(tiny_values, tiny_studies, tmp_path, monkeypatch):
    """A tiny run that passes for one on IU X-ray with the default models."""
    settings = Settings.model_validate(tiny_values | {"align_global": {"epochs": 0}, "align_local": {"epochs": 0}})
    studies = StudySet("iu-xray:/a/place", tuple(tiny_studies), notes=tiny_studies.notes)
    defaults = {settings.model.vision.source: None, settings.model.language.source: None}
    monkeypatch.setattr(publishing, "WHEEL_MODELS", defaults)
    return train(settings, studies, tmp_path / "run")


@pytest.fixture
def starter(run, familiarity, tiny_studies, tmp_path, monkeypatch):
    """What `publish_starter` made of the run, in the place of the package's own."""
    folder = tmp_path / "box" / "starter"
    publish_starter(run, folder, Evidence({"val": SCORES}, STRANGERS), familiarity=familiarity)
    monkeypatch.setattr(boxed, "FOLDER", folder)
    return folder


def test_a_folder_that_loads_with_rounded_weights(run, starter):
    assert verify(starter) == []
    assert {path.name for path in starter.iterdir()} == {
        "config.json", "model.safetensors", "settings.json", "data.json", "familiarity.safetensors", "README.md",
        "LICENSE", "manifest.json",
    }  # fmt: skip
    own, stored = load_file(run / "model.safetensors"), load_file(starter / "model.safetensors")
    reporter = runs.load("starter")
    assert reporter.name == "starter" and reporter.familiarity is not None
    for name, parameter in reporter.model.trained_parameters().items():
        assert stored[name].dtype == torch.bfloat16 and parameter.dtype == torch.float32
        assert torch.equal(parameter, own[name].to(torch.bfloat16).float()), name
    assert sum(not torch.equal(stored[n].float(), own[n]) for n in own) > 0


@pytest.mark.parametrize(
    ("changes", "decode", "words"),
    [
        ({"lora_rank": 2}, {}, "needs peft, which comes with the extra lora alone"),
        ({"quantize": "8bit"}, {}, "needs bitsandbytes, which comes with the extra quantized alone"),
        ({}, {"weights": "int8"}, "int8 weights, which takes an x86 processor"),
    ],
)
def test_what_does_not_run_wherever_the_package_does_is_refused(run, changes, decode, words):
    reporter = runs.load(run, decode=DecodeSettings(**decode))
    config = reporter.model.config
    language = config.language.model_copy(update=changes)
    reporter.model.config = config.model_copy(update={"language": language})
    with pytest.raises(InputError, match=words):
        publishing.refuse_others(run, reporter, "iu-xray:/a/place")


def test_a_calibration_goes_along_unless_the_starter_decodes_otherwise(run, familiarity, tmp_path):
    features = ("mean", "least")
    keep_calibration(
        run, Calibration(features, (0.0, 0.0), (1.0, 1.0), (1.0, 1.0), 0.0, 0, 0.7, 0, 0.1, 0.6, 0.5, 9, 9)
    )
    own = runs.load(run).decode
    for name, decode in {"same": own, "other": own.model_copy(update={"min_new_tokens": 5})}.items():
        publish_starter(run, tmp_path / name, Evidence(), familiarity=familiarity, decode=decode)
        assert (runs.load(tmp_path / name).calibration is None) == (name == "other")


def test_it_names_no_place_and_no_study(starter, tiny_studies, tmp_path):
    written = "".join((starter / name).read_text() for name in ("data.json", "README.md", "LICENSE"))
    assert "/a/place" not in written and str(tmp_path) not in written
    assert json.loads((starter / "data.json").read_text())["train"] == 8


def test_the_card_says_what_was_measured_and_what_was_not(run, starter, familiarity, tmp_path):
    card = (starter / "README.md").read_text()
    assert "Say what a mark hides (XXXX, for names and dates): marks were learned" in card, (
        "of data.deidentified = keep"
    )
    assert "| BLEU-4 | 0.123 (0.100 to 0.150) | 0.200 |" in card
    assert "| noise | 9 | 100.0 % (90.0 to 100.0) | 0.987 (0.900 to 1.000) |" in card
    assert "CC BY-NC 4.0" in card and "not a medical device" in card and "were not compared" in card
    publish_starter(run, tmp_path / "bare", Evidence(), familiarity=familiarity)
    bare = (tmp_path / "bare" / "README.md").read_text()
    assert "It was not scored." in bare and "It was not measured" in bare


def test_reports_from_rounded_weights_are_compared(run, familiarity, tiny_studies, tmp_path, monkeypatch):
    studies, told = tiny_studies.split("val"), []
    found = publish_starter(
        run, tmp_path / "starter", Evidence(), validation=studies, familiarity=familiarity, progress=told.append
    ).rounding
    assert found.n == 2 and told == [1, 2, 3, 4] and set(found.scores) == {"bleu4", "cider", "clinical_f1"}
    assert f"of 2 validation reports {found.differ} differ" in (tmp_path / "starter" / "README.md").read_text()

    def other(model):
        torch.manual_seed(5)
        return save({n: t + 3 * torch.randn_like(t) for n, t in model.trained_state().items()})

    monkeypatch.setattr(publishing, "rounded_weights", other)
    other_weights = publish_starter(
        run, tmp_path / "other", Evidence(), validation=studies, familiarity=familiarity
    ).rounding
    assert other_weights.differ == 2


def test_what_cannot_be_a_starter_leaves_nothing(run, starter, familiarity, tmp_path, monkeypatch):
    before = (starter / "manifest.json").read_text()
    with pytest.raises(InputError, match="--data"):
        publish_starter(run, starter, Evidence())
    monkeypatch.setattr(publishing, "LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match="allowed"):
        publish_starter(run, starter, Evidence(), familiarity=familiarity)
    monkeypatch.setattr(publishing, "KIND", "other-data")
    with pytest.raises(InputError, match="trained on iu-xray"):
        publish_starter(run, starter, Evidence(), familiarity=familiarity)
    monkeypatch.setattr(publishing, "WHEEL_MODELS", {"dinov2-small": None})
    with pytest.raises(InputError, match="does not come with mrg-llm"):
        publish_starter(run, starter, Evidence(), familiarity=familiarity)
    assert (starter / "manifest.json").read_text() == before and [p.name for p in starter.parent.iterdir()] == [
        "starter"
    ]


def test_report_uses_it_by_default_and_says_what_it_is(starter, tiny_studies):
    film = str(tiny_studies.split("val")[0].views[0].path)
    default = CliRunner().invoke(app, ["report", film, "--anyway"])
    named = CliRunner().invoke(app, ["report", film, "--anyway", "--model", str(starter)])
    assert default.exit_code == named.exit_code == 0 and default.stdout == named.stdout
    assert default.stderr.count(boxed.NOTE) == 1 and boxed.NOTE not in named.stderr
    assert "CC BY-NC 4.0" in boxed.NOTE and "\n" not in boxed.NOTE


def test_a_picture_far_from_the_training_films_is_refused(starter, tiny_studies):
    refused = CliRunner().invoke(app, ["report", str(tiny_studies.split("val")[0].views[0].path)])
    assert refused.exit_code != 0 and "films that starter was trained on" in str(refused.exception)
    assert refused.stdout == ""


def test_check_and_generate_know_the_name(starter, tiny_studies, tmp_path, monkeypatch):
    from mrg_llm.cli import training

    checked = CliRunner().invoke(app, ["check", "starter"])
    assert checked.exit_code == 0 and "every file matches" in checked.stdout and boxed.NOTE in checked.stderr
    monkeypatch.setattr(training, "open_data", lambda spec, **how: replace(tiny_studies, source=spec))
    out = tmp_path / "val.jsonl"
    written = CliRunner().invoke(app, ["generate", "--model", "starter", "--data", "iu-xray:x", "--out", str(out)])
    assert written.exit_code == 0, written.output
    assert [json.loads(line)["model"] for line in out.read_text().splitlines()] == ["starter"] * 2
    (starter / "config.json").write_text("{}")
    damaged = CliRunner().invoke(app, ["check", "starter"])
    assert isinstance(damaged.exception, CheckpointError) and "config.json" in str(damaged.exception)


@pytest.mark.parametrize(
    "command",
    [["report", "film.png"], ["check", "starter"], ["serve", "--model", "starter", "--port", "0"],
     ["generate", "--model", "starter", "--data", "iu-xray:x"]],
)  # fmt: skip
def test_a_copy_without_it_says_so(command, monkeypatch, tmp_path, tiny_studies):
    from mrg_llm.cli import training

    monkeypatch.setattr(boxed, "FOLDER", tmp_path / "none")
    monkeypatch.setattr(training, "open_data", lambda spec, **how: tiny_studies)
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, CheckpointError) and "without the starter" in str(refused.exception)
    assert refused.exception.exit_code == 2 and refused.stdout == ""


def test_a_folder_called_starter_is_given_as_a_path(tmp_path):
    assert boxed.is_starter("starter") and not boxed.is_starter("./starter")
    assert boxed.model_folder(tmp_path / "starter") == tmp_path / "starter"


def test_evidence_is_read_from_the_files_that_our_tools_write(tmp_path):
    (tmp_path / "scores.json").write_text(json.dumps(SCORES))
    (tmp_path / "strangers.json").write_text(json.dumps(STRANGERS))
    found = read_evidence({"val": tmp_path / "scores.json"}, tmp_path / "strangers.json")
    assert found.scores["val"]["n"] == 3 and found.strangers["films"] == 7
    for wrong in (tmp_path / "strangers.json", tmp_path / "absent.json"):
        with pytest.raises(InputError, match="mrg score --out"):
            read_evidence({"val": wrong})


def test_nothing_is_collected_while_a_model_is_loaded_and_everything_afterwards():
    with pytest.raises(ValueError, match="a reason"), uncollected():
        assert not gc.isenabled()
        raise ValueError("a reason")
    assert gc.isenabled() and gc.get_freeze_count() > 0
    gc.unfreeze()
