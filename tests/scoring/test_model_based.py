"""Model-based metrics through radeval: with fakes of its interface, and with the real package where it is installed."""

import importlib.util
import sys
import types
from typing import ClassVar

import numpy as np
import pytest

from mrg_llm.errors import InputError
from mrg_llm.scoring import Output, outputs, score_run
from mrg_llm.scoring import model_based as module
from mrg_llm.scoring.clinical import OBSERVATIONS, label_reports
from mrg_llm.scoring.model_based import METRICS, model_based

TEXTS = ["The heart is enlarged.", "No effusion.", "There is a left pleural effusion."]


class FakeLabeler:
    """Labels as our own rules do, in CheXbert's order."""

    TARGET_NAMES = tuple(reversed(OBSERVATIONS))

    def get_labels(self, reports, mode="rrg"):
        assert mode == "classification"
        rows = np.nan_to_num(label_reports(reports)).astype(int)
        return rows[:, ::-1].tolist()


class FakeRadEval:
    """per_sample values that tell which pair they are of; `broken` cannot be loaded."""

    broken: tuple[str, ...] = ()
    calls: ClassVar[list[int]] = []

    def __init__(self, metrics, per_sample, show_progress):
        (self.name,) = metrics
        assert per_sample and not show_progress
        if self.name in self.broken:
            raise OSError("no such repository")
        if self.name == "f1chexbert":
            self.f1chexbert_scorer = FakeLabeler()

    def __call__(self, refs, hyps):
        self.calls.append(len(refs))
        keys = next(m.keys for m in METRICS.values() if m.radeval == self.name)
        return {key: [float(r == h) for r, h in zip(refs, hyps, strict=True)] for key in keys}


@pytest.fixture
def radeval(monkeypatch):
    fake = types.ModuleType("radeval")
    fake.RadEval = type("RadEval", (FakeRadEval,), {"calls": []})
    monkeypatch.setitem(sys.modules, "radeval", fake)
    monkeypatch.setattr(module, "reachable", lambda: False)
    return fake.RadEval


def test_every_metric_becomes_a_row_with_an_interval(radeval):
    measures, missing = model_based(["all"])
    assert not missing
    rows = [Output(str(i), text, text) for i, text in enumerate(TEXTS)]
    board = score_run(outputs("x", rows), measures=measures, draws=50, with_meteor=False)
    for name in ("radgraph_simple", "radgraph_complete", "bertscore", "green", "ratescore", "radcliq_v1", "srrbert_f1"):
        assert board.metrics[name].value == 1.0 and board.metrics[name].low == 1.0
    assert board.metrics["chexbert_micro_f1"].value == board.metrics["clinical_micro_f1"].value == 1.0
    assert board.sections["chexbert"].keys() == board.sections["clinical"].keys()


def test_a_pair_is_scored_once(radeval):
    (measure,), _ = model_based(["bertscore"])
    tally = measure.run(["a", "a", "b"], ["a", "a", "c"])
    measure.run(["a"], ["a"])
    assert radeval.calls == [2] and tally.values() == {"bertscore": pytest.approx(2 / 3)}


def test_what_cannot_be_loaded_is_named_and_nothing_takes_its_place(radeval):
    radeval.broken = ("green",)
    measures, missing = model_based(["green", "bertscore"])
    assert len(measures) == 1 and list(missing) == [METRICS["green"].what]
    assert "could not be loaded (OSError)" in missing[METRICS["green"].what]


def test_without_the_package_every_metric_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "radeval", None)
    measures, missing = model_based(["all"])
    assert not measures and len(missing) == len(METRICS) and "mrg-llm[radeval]" in next(iter(missing.values()))


def test_an_unknown_name(radeval):
    with pytest.raises(InputError, match="blurt is no model-based metric"):
        model_based(["blurt"])


def test_the_hub_is_not_waited_for(radeval, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with module.offline_where_the_hub_is_far():
        assert constants.HF_HUB_OFFLINE is True
    assert constants.HF_HUB_OFFLINE is False


@pytest.mark.skipif(importlib.util.find_spec("radeval") is None, reason="radeval is not installed")
def test_the_real_package_speaks_as_the_fakes_do(monkeypatch):
    """With `rouge`, which needs no weights, through the same door; and with a metric whose weights are not there."""
    import radeval

    scorer = radeval.RadEval(metrics=["rouge"], per_sample=True, show_progress=False)
    values = scorer(refs=TEXTS, hyps=TEXTS)
    keys = {key: key for key in values}
    measure = module.per_study(module.ModelMetric("rouge", keys, "rouge"), scorer)
    assert set(measure.run(TEXTS, TEXTS).values().values()) == {1.0}
    monkeypatch.setattr(module, "reachable", lambda: False)
    measures, missing = model_based(["chexbert"])
    assert len(measures) + len(missing) == 1
