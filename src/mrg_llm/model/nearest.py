"""The nearest training film: a baseline that sees, but does not write.

In: studies. Out: for each, the id of the training study whose films look most alike to the published, untrained
encoder. What it gives is the report of another patient: a generator that does not beat it has learned nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mrg_llm.model.configuration import VisionConfig
from mrg_llm.model.processing import read_views, stack_views, to_model
from mrg_llm.model.vision import VisionEncoder
from mrg_llm.studies.study import Study

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


@torch.inference_mode()
def describe(encoder: VisionEncoder, studies: Sequence[Study], progress: Callable[[int], None]) -> Tensor:
    """(studies, C): the mean patch feature over all views."""
    rows = []
    for start in range(0, len(studies), BATCH):
        part = studies[start : start + BATCH]
        films = [read_views(study, encoder.config.side_px, encoder.config.fit) for study in part]
        pixels, views = to_model(stack_views(films), encoder.mean.device)
        patches, _ = encoder(pixels.flatten(0, 1).unsqueeze(1))
        means = patches.mean(1).view(*views.shape, -1)
        rows.append((means * views.unsqueeze(-1)).sum(1) / views.sum(1, keepdim=True))
        progress(min(start + BATCH, len(studies)))
    return torch.cat(rows)


def unit(x: Tensor) -> Tensor:
    return torch.nn.functional.normalize(x, dim=-1)
