"""Calibration of sentence confidence: what is right, the fit on made evidence, the run folder, bad input."""

import numpy as np
import pytest

from mrg_llm import calibrated, runs
from mrg_llm.calibrated import Judged, cross_fitted, fit, is_right
from mrg_llm.scoring.reliability import reliability
from mrg_llm.settings import ConfidenceSettings
from mrg_llm.training.checkpoint import verify
from tests.test_bad_input import folder, mrg, preset, refused  # noqa: F401  (fixtures)


def made(count=3000, seed=0):
    """Evidence whose truth follows a logistic law; four sentences a study."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal([-1, -4], [0.5, 2], (count, 2))
    chance = 1 / (1 + np.exp(-(1.0 + 2 * (evidence[:, 0] + 1) + 0.5 * (evidence[:, 1] + 4))))
    return Judged(evidence, rng.random(count) < chance, np.arange(count) // 4), chance


def test_what_is_right():
    report = "Small left pleural effusion. The heart is normal in size."
    assert is_right("There is a left pleural effusion.", report)
    assert is_right("No pneumothorax.", report) and is_right("The heart is not enlarged.", report)
    assert is_right("There is a right pleural effusion.", report) is False
    assert is_right("No pleural effusion.", report) is False and is_right("The heart is enlarged.", report) is False
    assert is_right("The trachea is central.", report) is None


def test_the_fit_finds_the_law_and_is_honest_on_studies_it_did_not_see():
    judged, chance = made()
    assert np.abs(fit(judged, ConfidenceSettings()).confidence(judged.evidence) - chance).mean() < 0.02
    held = reliability(cross_fitted(judged, ConfidenceSettings()), judged.right)
    assert held.ece < 0.04 and held.auroc > 0.75


def test_no_study_is_judged_by_a_fit_that_saw_it():
    """Evidence that only names the study: a fit that had seen it would know the answer."""
    rng = np.random.default_rng(1)
    group = np.arange(400) // 4
    truth = rng.random(100) < 0.5
    judged = Judged(np.column_stack([group, rng.normal(size=400)]), truth[group], group)
    assert 0.3 < reliability(cross_fitted(judged, ConfidenceSettings()), judged.right).auroc < 0.7


def test_features_that_never_change_and_agreement():
    judged, _ = made(200)
    constant = Judged(np.column_stack([judged.evidence, np.ones(200)]), judged.right, judged.group)
    found = fit(constant, ConfidenceSettings(samples=4, temperature=0.5, seed=3))
    assert found.features == ("mean", "least", "agreement") and (found.samples, found.seed) == (4, 3)
    assert abs(found.weights[2]) < 1e-6 and np.isfinite(found.confidence(constant.evidence)).all()


def test_a_run_is_calibrated_and_then_speaks_of_confidence(mrg, folder, preset, tmp_path, monkeypatch):  # noqa: F811
    run, data = tmp_path / "run", f"iu-xray:{folder}"
    assert mrg("train", "--data", data, "--preset", preset, "--out", run)[0] == 0
    film = folder / "images" / "test0.png"
    refused(mrg("calibrate", tmp_path / "none", "--data", data), "none")
    refused(mrg("calibrate", run, "--data", data, "--split", "vla"), "--split")
    refused(mrg("calibrate", run, "--data", data, "--set", "sample=3"), "confidence.samples")
    refused(mrg("calibrate", run, "--data", data), "right", "20")  # what an untrained model writes claims nothing
    refused(mrg("report", film, "--model", run, "--data", data), "--explain")
    refused(mrg("report", film, "--model", run, "--set", "threshold=2"), "confidence.threshold")
    assert not (run / "calibration.json").exists()

    monkeypatch.setattr(calibrated, "judge", lambda *rest: made(200)[0])
    code, out, err = mrg("calibrate", run, "--data", data, "--plot", tmp_path / "plot.svg")
    assert code == 0 and "200 sentences" in out and "held-out" in out, err
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    assert verify(run) == [] and "calibration.json" in (run / "manifest.json").read_text()
    assert runs.load(run).calibration.sentences == 200

    page = tmp_path / "page.html"
    code, out, err = mrg("report", film, "--model", run, "--explain", page, "--set", "threshold=1")
    assert code == 0 and "not a medical device" in err and "Research use only" in page.read_text()

    path = run / "calibration.json"
    path.write_text(path.read_text().replace("bias", "base"))
    refused(mrg("report", film, "--model", run), "calibration.json", "manifest")


@pytest.mark.parametrize("text", ["", "Nothing that the labeler reads."])
def test_drafts_that_claim_nothing_give_no_rows(tiny_model, tiny_studies, monkeypatch, text):
    from mrg_llm.model.decoding import Draft
    from mrg_llm.model.processing import Reporter
    from mrg_llm.settings import DecodeSettings

    reporter = Reporter(tiny_model, DecodeSettings(batch=3), "tiny")
    monkeypatch.setattr(reporter, "write", lambda studies, films: [Draft(text, 5, True) for _ in studies])
    done = []
    found = calibrated.judge(reporter, tiny_studies.split("train")[:4], ConfidenceSettings(), done.append)
    assert found.evidence.shape == (0, 2) and found.right.shape == (0,) and done == [3, 4]
