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
from mrg_llm.model.processing import sound_views
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


def describe(encoder: VisionEncoder, studies: Sequence[Study], progress: Callable[[int], None]) -> Tensor:
    """(studies, C): the mean patch feature over all views; 0 for a study without any film that can be read."""
    rows = []
    for start in range(0, len(studies), BATCH):
        part = studies[start : start + BATCH]
        films = [sound_views(study, encoder.config.side_px, encoder.config.fit)[0] for study in part]
        groups = mean_features(encoder, np.concatenate(films)).split([len(film) for film in films])
        rows += [group.mean(0) if len(group) else torch.zeros(encoder.width) for group in groups]
        progress(min(start + BATCH, len(studies)))
    return torch.stack(rows)


@torch.inference_mode()
def mean_features(encoder: VisionEncoder, films_NHW: np.ndarray) -> Tensor:
    """(N, C): the mean patch feature of 8-bit squares of the encoder's side."""
    if len(films_NHW) == 0:
        return torch.zeros(0, encoder.width)
    patches, _ = encoder(torch.from_numpy(films_NHW).to(encoder.mean.device).unsqueeze(1).float() / 255)
    return patches.mean(1).float().cpu()


def unit(x: Tensor) -> Tensor:
    return torch.nn.functional.normalize(x, dim=-1)
