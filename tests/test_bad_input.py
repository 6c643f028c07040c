"""Bad input on the command line: one sentence on standard error, exit code 2, no traceback, nothing half written."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from mrg_llm import cli
from mrg_llm.training import checkpoint
from tests.conftest import SENTENCES


@pytest.fixture
def folder(tmp_path):
    """A small data set in R2Gen's layout."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        splits[split] = []
        for i in range(count):
            name = f"{split}{i}.png"
            (tmp_path / "data" / "images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / "data" / "images" / name)
            splits[split].append({"id": f"{split}{i}", "report": SENTENCES[i % 6], "image_path": [name]})
    (tmp_path / "data" / "annotation.json").write_text(json.dumps(splits))
    return tmp_path / "data"


@pytest.fixture
def preset(tiny_llm, tiny_vit, tmp_path):
    """A run of seconds on the tiny models."""
    path = tmp_path / "tiny.toml"
    path.write_text(f"""
[data]
augment = false
[model.vision]
source = "{tiny_vit}"
side_px = 32
[model.projection]
grid = 2
[model.prompts]
prompts = 3
width = 8
[model.language]
source = "{tiny_llm}"
instruction = "Film: {{image}} Findings:"
[train]
precision = "fp32"
trackers = []
[align_global]
epochs = 0
[align_local]
epochs = 0
[generate]
epochs = 1
batch = 4
metric = "loss"
[decode]
max_new_tokens = 6
""")
    return path


@pytest.fixture
def mrg(monkeypatch, capsys):
    """Run the command line; returns (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mrg", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


def refused(result, *words):
    code, _, err = result
    sentences = [line for line in err.splitlines() if line.startswith("mrg: ")]
    assert code == 2, err
    assert len(sentences) == 1 and "Traceback" not in err, err
    for word in words:
        assert word in sentences[0]


def edited(folder, change):
    path = folder / "annotation.json"
    splits = json.loads(path.read_text())
    change(splits)
    path.write_text(json.dumps(splits))


def test_data_that_is_not_what_it_should_be(mrg, folder, preset, tmp_path):
    def train(data):
        return mrg("train", "--data", data, "--preset", preset, "--out", tmp_path / "run")

    refused(train(f"iu-xray:{tmp_path}/nowhere"), "nowhere")
    refused(train("cheese:x"), "cheese", "iu-xray:PATH")
    good = (folder / "annotation.json").read_text()
    edited(folder, lambda s: s["train"][0].update(raport=s["train"][0].pop("report")))
    refused(train(f"iu-xray:{folder}"), "report")
    (folder / "annotation.json").write_text(good)
    edited(folder, lambda s: s["train"][0].update(report="  "))
    refused(train(f"iu-xray:{folder}"), "train0")
    (folder / "annotation.json").write_text(good)
    edited(folder, lambda s: s["val"][0].update(id="train0"))
    refused(train(f"iu-xray:{folder}"), "train0")
    (folder / "annotation.json").write_text("{")
    refused(train(f"iu-xray:{folder}"), "annotation.json")
    assert not (tmp_path / "run").exists()


def test_settings(mrg, folder, preset, tmp_path):
    arguments = ("train", "--data", f"iu-xray:{folder}", "--preset", preset, "--out", tmp_path / "run")
    refused(mrg(*arguments, "--set", "train.lrr=1"), "train.lrr", "nearest is train.lr ")
    refused(mrg(*arguments, "--set", "model.vision.side_px=30"), "multiple of 8", "32")
    refused(mrg(*arguments, "--set", "model.language.source=/no/such/model"), "/no/such/model")
    refused(mrg("train", "--data", f"iu-xray:{folder}", "--preset", "none-such"), "none-such")
    assert not (tmp_path / "run").exists()


def test_a_run_and_what_can_be_wrong_with_it(mrg, folder, preset, tmp_path, tiny_llm):
    run = tmp_path / "run"
    arguments = ("train", "--data", f"iu-xray:{folder}", "--preset", preset, "--out", run)
    code, out, err = mrg(*arguments, "--dry-run")
    assert code == 0 and "customizer" in err and "seconds a step" in err and not run.exists()
    assert mrg(*arguments)[0] == 0
    refused(mrg(*arguments), "already holds a run")
    assert mrg("check", run)[0] == 0
    film = folder / "images" / "test0.png"
    code, out, err = mrg("report", film, "--model", run)
    assert code == 0 and "not a medical device" in err
    code, out, _ = mrg("report", film, "--model", run, "--format", "json")
    assert code == 0 and "not a medical device" in json.loads(out)["notice"]

    refused(mrg("report", tmp_path / "absent.png", "--model", run), "absent.png")
    text = tmp_path / "film.dcm"
    text.write_text("not a film at all")
    refused(mrg("report", text, "--model", run), "film.dcm")
    refused(mrg("report", empty_dicom(tmp_path), "--model", run), "no pixels")
    refused(mrg("generate", "--model", run, "--data", f"iu-xray:{folder}", "--split", "vla"), "split")
    refused(mrg("generate", "--model", run, "--data", f"iu-xray:{folder}", "--set", "beam=2"), "decode.beams")

    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"width": 32', '"width": 4096'))
    refused(mrg("report", film, "--model", run), "config.json")
    reseal(run)
    refused(mrg("report", film, "--model", run), "width 4096", "width 32")
    (run / "config.json").write_text(config)
    reseal(run)
    weights = bytearray((run / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (run / "model.safetensors").write_bytes(weights)
    refused(mrg("report", film, "--model", run), "model.safetensors", "damaged")
    refused(mrg("check", run), "model.safetensors", "damaged")
    refused(mrg("check", tmp_path), "manifest.json")


def test_a_film_that_is_none_costs_its_study(mrg, folder, preset, tmp_path):
    (folder / "images" / "train0.png").write_text("<html>not found</html>")
    data = ("--data", f"iu-xray:{folder}")
    code, _, err = mrg("train", *data, "--preset", preset, "--out", tmp_path / "run")
    assert code == 0 and " ".join(err.split()).endswith("because none of their films can be read: 1 (train0)")
    code, _, err = mrg("generate", "--model", tmp_path / "run", *data, "--split", "train", "--out", tmp_path / "out")
    assert code == 0 and "train0.png: the file is XML or HTML text" in err


def test_a_full_disk(mrg, folder, preset, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = mrg("train", "--data", f"iu-xray:{folder}", "--preset", preset, "--out", tmp_path / "run")
    refused(result, "disk", "full")
    assert not [p for p in (tmp_path / "run").rglob("*") if "partial" in p.name]


def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on(mrg, folder, preset, tmp_path, monkeypatch):
    import os
    import signal

    from mrg_llm.training import loop

    step = loop.optimizer_step

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return step(*arguments)

    arguments = ("train", "--data", f"iu-xray:{folder}", "--preset", preset, "--out", tmp_path / "run")
    monkeypatch.setattr(loop, "optimizer_step", interrupted)
    code, _, err = mrg(*arguments)
    assert code == 130 and "stopped after step 1" in err and "--resume" in err
    assert (tmp_path / "run" / "checkpoints" / "step-1").is_dir()
    monkeypatch.setattr(loop, "optimizer_step", step)
    assert mrg(*arguments, "--resume")[0] == 0


def test_outputs_that_cannot_be_scored(mrg, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "prediction": "The heart is normal."}\n')
    refused(mrg("score", rows), "reference")
    rows.write_text('{"id": "a"}\n')
    refused(mrg("score", rows), "prediction")
    refused(mrg("score", tmp_path / "absent.jsonl"), "absent.jsonl")
    rows.write_text('{"id": "a", "prediction": "x", "reference": "y"}\n')
    refused(mrg("score", rows, "--protocol", "none-such"), "none-such", "full")


def test_phantoms_are_not_written_over_something_else(mrg, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    refused(mrg("data", "phantom", "--out", tmp_path, "--studies", "1"), "phantoms")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def empty_dicom(folder):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientName = "Canary^Name"
    dataset.Modality = "DX"
    dataset.save_as(folder / "report.dcm", enforce_file_format=True)
    return folder / "report.dcm"


def reseal(run):
    names = [p.name for p in run.iterdir() if p.is_file() and p.name != "manifest.json" and p.name != "journal.jsonl"]
    (run / "manifest.json").write_bytes(checkpoint.manifest_bytes({n: run / n for n in names}))
