"""scripts/what_the_eye_tells.py: features that tell a finding name it, features that tell nothing do not."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mrg_llm.model.probe import FOLDS
from tests.conftest import module_at

REPORTS = {True: "There is a large left pleural effusion.", False: "The lungs are clear."}


@pytest.fixture(scope="module")
def eye():
    return module_at("scripts/what_the_eye_tells.py")


def split(n: int, seed: int):
    """Films of a quarter of the studies show an effusion; of three features the first tells it."""
    rng = np.random.default_rng(seed)
    shows = rng.random(n) < 0.25
    features = rng.normal(size=(n, 3)).astype(np.float32)
    features[:, 0] += 6 * shows
    studies = [SimpleNamespace(report=REPORTS[bool(one)]) for one in shows]
    return SimpleNamespace(studies=studies, folds=rng.integers(0, FOLDS, n), lengths=[10] * n), torch.tensor(features)


@pytest.mark.parametrize("tells", [True, False])
def test_a_feature_that_tells_a_finding(eye, tiny_model, tells):
    (learned, train), (own, other) = split(300, 0), split(120, 1)
    used = slice(0, 1) if tells else slice(1, 3)
    named, areas = eye.findings_named(train[:, used], other[:, used], learned, own)
    told = eye.words_told(train[:, used], other[:, used], learned, own, tiny_model.language.tokenizer, 90)
    if tells:
        assert named["clinical_micro_f1_13"].value > 0.9 and areas["Pleural Effusion"] > 0.99
        assert told["told"].low > 0.05 and told["right film"].value > told["told"].value
    else:
        assert named["clinical_micro_f1_13"].value < 0.6 and abs(areas["Pleural Effusion"] - 0.5) < 0.15
        assert abs(told["right film"].value) < 0.05


def test_the_threshold_of_the_best_f1(eye):
    logits, present = np.arange(100.0), np.arange(100) >= 80
    assert 79 < eye.best_threshold(logits, present) <= 80


def test_the_whole_script_and_a_trained_encoder(eye, tiny_settings, tiny_studies, tmp_path, monkeypatch, capsys):
    from mrg_llm.errors import InputError
    from mrg_llm.training.loop import train

    monkeypatch.setattr(eye, "open_studies", lambda spec, **how: tiny_studies)
    frozen = tiny_settings.model_copy(update={"train": tiny_settings.train.model_copy(update={"lr_encoder": 0.0})})
    for name, settings in (("frozen", frozen), ("trained", tiny_settings)):
        train(settings, tiny_studies, tmp_path / name)
        out = tmp_path / f"{name}.json"
        argv = ["eye", "phantom:any", "--run", str(tmp_path / name), "--out", str(out)]
        monkeypatch.setattr(sys, "argv", argv)
        if name == "trained":
            with pytest.raises(InputError, match="was trained; its features have seen"):
                eye.main()
            assert not out.exists()
        else:
            eye.main()
            printed = capsys.readouterr().out
            assert out.exists() and "right film" in printed and "| Pleural Effusion |" in printed
            own = out.read_text()
            monkeypatch.setattr(sys, "argv", [*argv, "--set", "side_px=56"])
            eye.main()
            assert out.read_text() != own
