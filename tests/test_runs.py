"""A run folder from outside: settings of older and newer versions, and ways of writing that a run does not allow."""

import json

import pytest
import torch
from typer.testing import CliRunner

from mrg_llm import runs
from mrg_llm.cli import app
from mrg_llm.errors import CheckpointError, SettingsError
from mrg_llm.settings import DecodeSettings, Settings
from mrg_llm.training import publish
from mrg_llm.training.loop import train


@pytest.fixture
def settings(tiny_values) -> Settings:
    tiny_values["align_global"]["epochs"] = tiny_values["align_local"]["epochs"] = 0
    tiny_values["generate"]["epochs"] = 0.5
    return Settings.model_validate(tiny_values)


@pytest.fixture
def run(settings, tiny_studies, tmp_path):
    return train(settings, tiny_studies, tmp_path / "run")


def rewritten(run, change) -> None:
    """settings.json with a change, as another version would have written and sealed it."""
    path = run / "settings.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    publish.seal(run)


def test_settings_of_an_older_version_write_the_same_and_go_on(run, settings, tiny_studies):
    written = [report.text for report in runs.load(run).reports(tiny_studies.split("val"))]

    def older(values):
        for key in ("generate.blind", "generate.hide_words", "decode.guidance", "decode.weights", "data.normal_share"):
            table, name = key.split(".")
            del values[table][name]
        del values["model"]["language"]["quantize"], values["model"]["language"]["lora_rank"]

    rewritten(run, older)
    assert [report.text for report in runs.load(run).reports(tiny_studies.split("val"))] == written
    publish.refuse_other_run(run, settings, resume=True)


def test_settings_of_a_newer_version_are_one_sentence(run, settings):
    rewritten(run, lambda values: values["decode"].update(telepathy=1))
    for use in (lambda: runs.load(run), lambda: publish.refuse_other_run(run, settings, resume=True)):
        with pytest.raises(CheckpointError, match=r"settings\.json is damaged or from another version"):
            use()


def test_guidance_needs_a_run_that_learned_to_write_unseen(run, tiny_studies, tmp_path, monkeypatch):
    monkeypatch.setattr("mrg_llm.studies.open_studies", lambda spec, **how: tiny_studies)
    asked = ["generate", "--model", str(run), "--data", "phantom:tiny", "--out", str(tmp_path / "out.jsonl")]
    result = CliRunner().invoke(app, [*asked, "--set", "guidance=1"])
    with pytest.raises(SettingsError, match=r"generate\.blind is 0"):
        raise result.exception
    assert CliRunner().invoke(app, [*asked, "--set", "min_new_tokens=3"]).exit_code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["decoding"]["min_new_tokens"] == 3
    with pytest.raises(SettingsError, match=r"generate\.blind is 0"):
        runs.load(run, decode=DecodeSettings(guidance=1))
    rewritten(run, lambda values: values["generate"].update(blind=0.1))
    assert runs.load(run, changes=["guidance=1"]).decode.guidance == 1


def test_int8_weights_are_for_a_processor(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # there is none: any other weights would go to it
    assert runs.load(run, changes=["weights=int8"]).model.language.model.device.type == "cpu"
    with pytest.raises(SettingsError, match="in float32 on an x86"):
        runs.load(run, changes=["weights=int8"], precision="bf16")
