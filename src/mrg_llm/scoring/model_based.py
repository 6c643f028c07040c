"""Metrics that need a trained model of their own, through the package `radeval` (MIT): an optional extra.

Each one becomes a `Measure` like any other, with intervals, paired tests and baselines. Where a metric's weights cannot
be had, it is left out by name and with the reason; nothing takes its place.
"""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrg_llm.errors import InputError
from mrg_llm.scoring.agreement import HEADLINES, agreement
from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.scoring.measures import Measure
from mrg_llm.scoring.statistics import Tally, means

SECTION = "model-based"
HUB, PORT, PATIENCE_S = "huggingface.co", 443, 5.0


@dataclass(frozen=True)
class ModelMetric:
    """radeval: its name there. keys: what radeval calls a study's value -> what we call it. what: for people."""

    radeval: str
    keys: dict[str, str]
    what: str


METRICS = {
    "chexbert": ModelMetric("f1chexbert", {}, "CheXbert F1 (arXiv 2004.09167)"),
    "radgraph": ModelMetric(
        "radgraph",
        {"radgraph_simple": "radgraph_simple", "radgraph_partial": "radgraph_partial",
         "radgraph_complete": "radgraph_complete"},
        "RadGraph F1: entities; with their relations present; with the relations themselves (arXiv 2106.14463)",
    ),
    "radcliq": ModelMetric("radcliq", {"radcliq_v1": "radcliq_v1"}, "RadCliQ-v1, lower is better (Patterns 4, 100802)"),
    "bertscore": ModelMetric("bertscore", {"bertscore": "bertscore"}, "BERTScore F1 (arXiv 1904.09675)"),
    "green": ModelMetric("green", {"green": "green"}, "GREEN (arXiv 2405.03595)"),
    "ratescore": ModelMetric("ratescore", {"ratescore": "ratescore"}, "RaTEScore (arXiv 2406.16845)"),
    "srrbert": ModelMetric(
        "srrbert",
        {"srrbert_weighted_f1": "srrbert_f1", "srrbert_weighted_precision": "srrbert_precision",
         "srrbert_weighted_recall": "srrbert_recall"},
        "SRR-BERT, mean over studies",
    ),
}  # fmt: skip


def model_based(
    names: Sequence[str], progress: Callable[[str], None] = lambda step: None
) -> tuple[list[Measure], dict[str, str]]:
    """The measures that can be had of those asked for ("all": every one), and why the others cannot: name -> reason.

    progress: is told what is being loaded. Raises InputError for a name that is none.
    """
    chosen = tuple(METRICS) if "all" in names else tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in METRICS:
            raise InputError(f"{name} is no model-based metric; there are {', '.join(METRICS)} and all")
    try:
        radeval = importlib.import_module("radeval")
    except ImportError:
        reason = "the package radeval is not installed; pip install 'mrg-llm[radeval]'"
        return [], {METRICS[name].what: reason for name in chosen}
    measures, missing = [], {}
    for name in chosen:
        progress(f"loading {name}")
        metric = METRICS[name]
        try:
            with offline_where_the_hub_is_far():
                scorer = radeval.RadEval(metrics=[metric.radeval], per_sample=True, show_progress=False)
            measures.append(chexbert(scorer) if name == "chexbert" else per_study(metric, scorer))
        except ImportError as error:
            missing[metric.what] = f"the module {error.name} is not installed; pip install 'mrg-llm[radeval]'"
        except Exception as error:  # whatever a foreign loader raises: a hub, a file, an unpickler, a missing module
            missing[metric.what] = f"its model could not be loaded ({type(error).__name__}); fetch its weights first"
    return measures, missing


def per_study(metric: ModelMetric, scorer: Any) -> Measure:
    """A metric that gives each study a value; a pair of texts is scored once however often it occurs."""
    known: dict[tuple[str, str], tuple[float, ...]] = {}

    def run(predictions: Sequence[str], references: Sequence[str]) -> Tally:
        pairs = list(zip(predictions, references, strict=True))
        new = [pair for pair in dict.fromkeys(pairs) if pair not in known]
        if new:
            values = scorer(refs=[r for _, r in new], hyps=[p for p, _ in new])
            columns = [list(map(float, values[key])) for key in metric.keys]
            known.update(zip(new, zip(*columns, strict=True), strict=True))
        table_NK = np.array([known[pair] for pair in pairs])
        return means({name: table_NK[:, k] for k, name in enumerate(metric.keys.values())})

    return Measure(SECTION, run, {name: name for name in metric.keys.values()})


def chexbert(scorer: Any) -> Measure:
    """CheXbert's labels of both reports, compared as our own labeler's are, in every convention."""
    labeler = scorer.f1chexbert_scorer
    order = [labeler.TARGET_NAMES.index(name) for name in OBSERVATIONS]
    known: dict[str, list[int]] = {}

    def labels(texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, labeler.get_labels(new, mode="classification"), strict=True))
        return np.array([known[text] for text in texts], dtype=np.int8)[:, order]

    def run(predictions: Sequence[str], references: Sequence[str]) -> Tally:
        return agreement(labels(predictions), labels(references))

    return Measure("chexbert", run, {f"chexbert_{name.removeprefix('clinical_')}": v for name, v in HEADLINES.items()})


class offline_where_the_hub_is_far:
    """Without a way to the hub, loaders wait and try again for minutes; told that they are offline they look into their
    cache and are done."""

    def __enter__(self) -> None:
        self.before = os.environ.get("HF_HUB_OFFLINE")
        self.constants = vars(importlib.import_module("huggingface_hub.constants"))  # read once, when it was imported
        self.constant = self.constants["HF_HUB_OFFLINE"]
        if not reachable():
            os.environ["HF_HUB_OFFLINE"] = "1"
            self.constants["HF_HUB_OFFLINE"] = True

    def __exit__(self, *unused: object) -> None:
        self.constants["HF_HUB_OFFLINE"] = self.constant
        if self.before is None:
            os.environ.pop("HF_HUB_OFFLINE", None)
        else:
            os.environ["HF_HUB_OFFLINE"] = self.before


def reachable() -> bool:
    """Whether the hub answers at all, asked for a few seconds at most."""
    try:
        with socket.create_connection((HUB, PORT), timeout=PATIENCE_S):
            return True
    except OSError:
        return False
