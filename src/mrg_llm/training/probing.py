"""Fit the model's probe to the training split, before the first step. In: a model with a frozen encoder, the split."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.pooling import mean_and_spread
from mrg_llm.model.probe import Probe, fitted_probe
from mrg_llm.training.data import SplitData, columns_of, indicator, located, on_device, spoken_words

FILMS_AT_ONCE = 32


@torch.no_grad()
def fit_probe(model: MRGModel, probe: Probe, data: SplitData) -> float:
    """What the probe tells of reports it was not fitted to, in nats a report. Targets are the words that some reports
    say, and the findings that they name."""
    reports = [study.report or "" for study in data.studies]
    named = [located(report, "present") for report in reports]
    said = spoken_words(reports, model.language.tokenizer)[1]
    targets = torch.cat([said, indicator(named, columns_of(named))], dim=1)
    versions = max(1, len(data.remembered))
    summaries_VSF = torch.stack([film_summaries(model, data, version) for version in range(versions)])
    mean, scale, maps, worth = fitted_probe(summaries_VSF, targets, torch.from_numpy(data.folds), probe.directions)
    probe.put(mean, scale, maps)
    return worth


@torch.no_grad()
def film_summaries(
    model: MRGModel, data: SplitData, version: int = 0, progress: Callable[[int], None] = lambda done: None
) -> Tensor:
    """(S, F) what a probe reads of each study's films: mean and spread of their patch features."""
    summaries = []
    for start in range(0, len(data), FILMS_AT_ONCE):
        rows = range(start, min(start + FILMS_AT_ONCE, len(data)))
        seen = on_device(data.make(version, rows), model.vision.mean.device).look(model)
        summaries.append(mean_and_spread(seen.features, seen.feature_mask).cpu())
        progress(rows.stop)
    return torch.cat(summaries)
