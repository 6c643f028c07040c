"""The README's commands, run as they stand there, on a small data set and the `tiny` preset."""

import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mrg_llm.cli import app
from tests.conftest import REPOSITORY, SENTENCES

README = (REPOSITORY / "README.md").read_text()
# What serves does not end by itself: tests/serving. The first report is the starter's: tests/test_starter.py.
(TRAINING,) = (part for part in README.split("\n## ") if part.startswith("Train on your own studies"))
COMMANDS = [line.strip().split("  #")[0] for line in TRAINING.splitlines() if line.startswith("    mrg ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """R2Gen's layout with films of noise."""
    root = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(0)
    splits = {}
    for split, count in (("train", 8), ("val", 2), ("test", 3)):
        splits[split] = []
        for i in range(count):
            name = f"{split}{i}/0.png"
            (root / "images" / f"{split}{i}").mkdir(parents=True)
            Image.fromarray(rng.integers(0, 255, (300, 280), dtype=np.uint8)).save(root / "images" / name)
            report = f"{SENTENCES[i % 6]} {SENTENCES[(i + 1) % 6]}"
            splits[split].append({"id": f"{split}{i}", "report": report, "image_path": [name], "split": split})
    (root / "annotation.json").write_text(json.dumps(splits))
    return root


def test_the_readme_has_the_commands_of_a_whole_run():
    assert [re.split(r"\s", c)[1] for c in COMMANDS] == ["data", "train", "generate", "score"]


def test_they_run_one_after_the_other(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        command = command.replace("PATH", str(folder)).replace("--preset iu-xray", "--preset tiny")
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, (command, result.output, result.exception)
    reports = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    assert len(reports) == 3 and all("prediction" in r for r in reports)
    assert "not a medical device" in (tmp_path / "scores.html").read_text()
    film = folder / "images" / "test0" / "0.png"
    alone = CliRunner().invoke(app, ["report", str(film), "--model", "runs/iu"])
    assert alone.exit_code == 0 and alone.stdout.strip().startswith(reports[0]["prediction"].strip())


def test_make_is_what_the_readme_says():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^    make ([\w-]+)", README, re.MULTILINE)) <= targets
