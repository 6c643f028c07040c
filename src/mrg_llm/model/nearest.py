"""The nearest training film: a baseline that sees, but does not write.

In: studies. Out: for each, the id of the training study whose films look most alike to the published, untrained
encoder. What it gives is the report of another patient: a generator that does not beat it has learned nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mrg_llm.model.configuration import VisionConfig
from mrg_llm.model.processing import read_view
from mrg_llm.model.vision import VisionEncoder
from mrg_llm.studies.study import Study, View

ENCODER = VisionConfig(side_px=112, layers=8)  # mid-layer patches of the default encoder
BATCH = 32


def nearest_training_films(
    queries: Sequence[Study], training: Sequence[Study], progress: Callable[[int], None] = lambda done: None
) -> dict[str, str]:
    """Query id -> id of the nearest training study, by cosine of mean patch features over all views.

    `progress` is told how many of queries + training are done.
    """
    encoder = VisionEncoder.load(ENCODER).eval()
    known = describe(encoder, training, progress)
    asked = describe(encoder, queries, lambda done: progress(len(training) + done))
    centre = known.mean(0)  # what all chest films share says nothing about which two are alike
    likeness = unit(asked - centre) @ unit(known - centre).T
    return {study.id: training[int(best)].id for study, best in zip(queries, likeness.argmax(1), strict=True)}


def describe(encoder: VisionEncoder, studies: Sequence[Study], progress: Callable[[int], None]) -> Tensor:
    """(studies, C): the mean patch feature over all views."""
    rows = []
    for start in range(0, len(studies), BATCH):
        part = studies[start : start + BATCH]
        films = mean_features(encoder, [view for study in part for view in study.views])
        rows += [group.mean(0) for group in films.split([len(study.views) for study in part])]
        progress(min(start + BATCH, len(studies)))
    return torch.stack(rows)


def film_features(views: Sequence[View], progress: Callable[[int], None] = lambda done: None) -> Tensor:
    """(films, C): the mean patch feature of each film. `progress` is told how many are done."""
    encoder = VisionEncoder.load(ENCODER).eval()
    rows = []
    for start in range(0, len(views), BATCH):
        rows.append(mean_features(encoder, views[start : start + BATCH]))
        progress(min(start + BATCH, len(views)))
    return torch.cat(rows)


@torch.inference_mode()
def mean_features(encoder: VisionEncoder, views: Sequence[View]) -> Tensor:
    films = np.stack([read_view(view, encoder.config.side_px, encoder.config.fit) for view in views])
    patches, _ = encoder(torch.from_numpy(films).to(encoder.mean.device).unsqueeze(1).float() / 255)
    return patches.mean(1).float().cpu()


def unit(x: Tensor) -> Tensor:
    return torch.nn.functional.normalize(x, dim=-1)
