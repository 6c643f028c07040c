"""Training: the golden losses, resuming to the same bits after kill -9, and what stops a run."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mrg_llm.errors import CheckpointError, InputError, ResourceError, SettingsError, TrainingError
from mrg_llm.settings import Settings
from mrg_llm.training import checkpoint as checkpoints
from mrg_llm.training import loop
from mrg_llm.training.loop import train
from mrg_llm.training.plan import make_plan

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny_losses.json"
SCRIPT = Path(__file__).with_name("tiny_run.py")


def losses(run: Path) -> dict[str, float]:
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    return {f"{e['stage']} {e['step']}": e["loss"] for e in lines if "gradient_norm" in e}


def changed(values: dict, **tables) -> Settings:
    return Settings.model_validate({**values, **{k: {**values.get(k, {}), **v} for k, v in tables.items()}})


def test_losses_are_the_golden_ones_and_the_llm_stays_frozen(tiny_settings, tiny_studies, tmp_path):
    """MRG_UPDATE_GOLDEN=1 writes the file anew: only with a reason that stands in the changelog."""
    run = train(tiny_settings, tiny_studies, tmp_path / "run")
    found = losses(run)
    if os.environ.get("MRG_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert found.keys() == golden.keys()
    for step, value in golden.items():
        assert found[step] == pytest.approx(value, rel=2e-3), step
    config = json.loads((run / "config.json").read_text())
    from mrg_llm.runs import load

    reporter = load(run)
    assert reporter.model.language.weights_sha256() == config["language"]["weights_sha256"]
    assert not any(n.startswith("language.") for n in load_file(run / "model.safetensors"))


def test_the_model_learns_the_training_reports(tiny_values, tiny_studies, tmp_path):
    settings = changed(tiny_values, generate={"epochs": 30}, align_global={"epochs": 0}, align_local={"epochs": 0})
    found = list(losses(train(settings, tiny_studies, tmp_path / "run")).values())
    assert sum(found[-5:]) < 0.6 * sum(found[:5])


@pytest.mark.parametrize("round_number", range(3))
def test_kill_at_random_moments_and_resume_to_the_same_bits(tiny_values, tiny_studies, tmp_path, round_number):
    if round_number == 2:  # with films remembered from frozen layers, deep prompts, and much that is hidden by chance
        tiny_values["generate"] |= {"blind": 0.3, "hide_words": 0.3}
        tiny_values["data"]["normal_share"] = 0.5
        tiny_values["data"] |= {"augment": True, "augment_copies": 2}
        tiny_values["model"]["vision"]["trained_layers"] = 1
        tiny_values["model"]["prompts"]["deep"] = True
    tiny_settings = Settings.model_validate(tiny_values)
    settings_file, studies_file = tmp_path / "settings.json", tmp_path / "studies.json"
    settings_file.write_text(tiny_settings.model_dump_json())
    studies_file.write_text(json.dumps([
        {"id": s.id, "split": s.split, "views": [str(v.path) for v in s.views], "report": s.report}
        for s in tiny_studies
    ]))  # fmt: skip
    whole = train(tiny_settings, tiny_studies, tmp_path / "whole")
    killed = tmp_path / "killed"
    rng, kills = random.Random(round_number), 0
    command = [sys.executable, str(SCRIPT), str(settings_file), str(studies_file), str(killed)]
    while True:
        process = subprocess.Popen([*command, "--resume"], stderr=subprocess.PIPE)
        victim_step = rng.randrange(1, 8)
        while process.poll() is None and kills < 2 and newest_step(killed) < victim_step:
            time.sleep(0.01)
        if process.poll() is None and kills < 2:
            time.sleep(rng.random() * 0.2)
            process.kill()
            kills += 1
            process.wait()
            continue
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()[-2000:]
        break
    expected, found = load_file(whole / "model.safetensors"), load_file(killed / "model.safetensors")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[n], found[n]) for n in expected)
    assert losses(whole) == losses(killed)


def newest_step(run: Path) -> int:
    """The last step in the journal, as far as it is written."""
    path = run / "journal.jsonl"
    if not path.exists():
        return 0
    return max((json.loads(x).get("step", 0) for x in path.read_text().splitlines() if x.endswith("}")), default=0)


def test_a_loss_that_is_not_finite_stops_before_the_step_and_names_the_studies(
    tiny_settings, tiny_studies, tmp_path, monkeypatch
):
    from mrg_llm.training.stages import AlignGlobal

    forward, weights = AlignGlobal.forward, {}

    def poisoned(self, batch):
        loss = forward(self, batch)
        weights["before"] = {n: p.detach().clone() for n, p in self.model.trained_parameters().items()}
        weights["model"] = self.model
        return type(loss)(loss.total * float("nan"), loss.weight, loss.parts)

    monkeypatch.setattr(AlignGlobal, "forward", poisoned)
    with pytest.raises(TrainingError, match=r"not finite at step 1 .*s\d"):
        train(tiny_settings, tiny_studies, tmp_path / "run")
    now = weights["model"].trained_parameters()
    assert all(torch.equal(now[n], p) for n, p in weights["before"].items())


def test_a_run_is_not_overwritten_and_not_resumed_with_other_settings(tiny_values, tiny_studies, tmp_path):
    quick = changed(tiny_values, align_global={"epochs": 0}, align_local={"epochs": 0}, generate={"epochs": 0.5})
    run = train(quick, tiny_studies, tmp_path / "run")
    with pytest.raises(InputError, match="already holds a run"):
        train(quick, tiny_studies, run)
    with pytest.raises(SettingsError, match="other settings"):
        train(changed(tiny_values, train={"seed": 1}), tiny_studies, run, resume=True)


def test_validations_that_could_not_write_are_refused_before_the_first_step(tiny_values, tiny_studies, tmp_path):
    """int8 writing takes float32; where no validation writes, the run may still be written with elsewhere."""
    written = changed(
        tiny_values, decode={"weights": "int8"}, train={"precision": "bf16"}, generate={"metric": "bleu4"}
    )
    for start in (lambda: make_plan(written, tiny_studies), lambda: train(written, tiny_studies, tmp_path / "run")):
        with pytest.raises(SettingsError, match="in float32 on an x86"):
            start()
    assert not (tmp_path / "run").exists()
    unwritten = changed(tiny_values, decode={"weights": "int8"}, train={"precision": "bf16"})
    assert train(unwritten, tiny_studies, tmp_path / "run")


def test_early_stopping_and_the_best_checkpoint(tiny_values, tiny_studies, tmp_path, monkeypatch):
    scores = iter([1.0, 3.0, 2.0, 2.5, 9.0])
    monkeypatch.setattr(loop.publish, "selection", lambda values, metric: next(scores))
    settings = changed(
        tiny_values, align_global={"epochs": 0}, align_local={"epochs": 0}, generate={"epochs": 5, "patience": 2}
    )
    run = train(settings, tiny_studies, tmp_path / "run")
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    validations = [line for line in lines if line.get("event") == "validation"]
    assert [v["selection"] for v in validations] == [1.0, 3.0, 2.0, 2.5]
    assert f"at step {validations[1]['step']}" in (run / "README.md").read_text()


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tiny_settings, tiny_studies, tmp_path):
    run = train(tiny_settings, tiny_studies, tmp_path / "run")
    newest = checkpoints.checkpoints(run)[-1]
    rng = random.Random(0)
    data = (newest / "model.safetensors").read_bytes()
    for _ in range(20):
        place = rng.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        (newest / "model.safetensors").write_bytes(flipped)
        assert checkpoints.verify(newest) == ["model.safetensors"]
    position, _, _ = checkpoints.latest_checkpoint(run)
    assert position.step < int(newest.name.removeprefix("step-"))
    for folder in checkpoints.checkpoints(run):
        (folder / "model.safetensors").write_bytes(b"rot")
    with pytest.raises(CheckpointError, match="every checkpoint"):
        checkpoints.latest_checkpoint(run)


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceError, match=r"disk of .* is full"):
        checkpoints.write_folder(tmp_path / "step-1", {"a": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_accumulated_batches_weigh_every_token_alike(tiny_values, tiny_studies, tmp_path):
    """Two batches of four summed into one step move the weights as one batch of eight does."""
    common = {"align_global": {"epochs": 0}, "align_local": {"epochs": 0}}
    one = changed(tiny_values, **common, generate={"epochs": 1, "batch": 8, "contrast_weight": 0})
    two = changed(
        tiny_values, **common, train={"accumulate": 2}, generate={"epochs": 1, "batch": 4, "contrast_weight": 0}
    )
    first, second = train(one, tiny_studies, tmp_path / "one"), train(two, tiny_studies, tmp_path / "two")
    weights = [load_file(r / "model.safetensors")["projection.map.weight"] for r in (first, second)]
    assert torch.allclose(*weights, atol=2e-4)


def test_a_run_starts_from_another_with_the_same_encoder_frozen_or_not(tiny_values, tiny_studies, tmp_path):
    tiny_values["model"]["vision"]["trained_layers"] = 0
    aligned = changed(tiny_values, generate={"epochs": 0})
    start = train(aligned, tiny_studies, tmp_path / "aligned")
    settings = changed(tiny_values, align_global={"epochs": 0}, align_local={"epochs": 0})
    begun = train(settings, tiny_studies, tmp_path / "begun", start_from=start)
    fresh = train(settings, tiny_studies, tmp_path / "fresh")
    assert losses(begun).keys() == losses(fresh).keys()
    assert losses(begun) != losses(fresh)
    tiny_values["model"]["vision"]["layers"] = 1
    other = changed(tiny_values, align_global={"epochs": 0}, align_local={"epochs": 0})
    with pytest.raises(CheckpointError, match="another encoder"):
        train(other, tiny_studies, tmp_path / "other", start_from=start)
    assert not (tmp_path / "other" / "journal.jsonl").exists()
