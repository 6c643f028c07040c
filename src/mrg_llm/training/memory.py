"""What the frozen lower layers of the encoder make of every film, computed once and kept in memory.

Those layers never change, so a step need only run what is trained: several times as many steps in the same time. Each
film is kept in a few augmented versions, and an epoch takes the next one.
Legend: W views, T tokens of a film (class token included), C width of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from mrg_llm.model.modeling import MRGModel
from mrg_llm.training.data import SplitData

FILMS_AT_ONCE = 64


def remember_films(
    model: MRGModel, data: SplitData, copies: int, most_gib: float, progress: Callable[[int], None] = lambda done: None
) -> int:
    """Make `data` give what `model.vision.below` makes of its films instead of the films; returns the versions kept.

    copies: augmented versions of a film, at most; fewer where they would not fit into most_gib GiB. 0 is returned, and
    nothing changes, where not even one fits or the encoder has no frozen layers. Computed in the order of the studies,
    so that a run that is taken up again remembers the same bits.
    """
    copies = versions_that_fit(model, data, copies, most_gib)
    if copies == 0:
        return 0
    kept: list[list[np.ndarray]] = []
    for epoch in range(copies):
        version: list[np.ndarray] = []
        waiting: list[np.ndarray] = []
        for index in range(len(data)):
            waiting.append(data.film(index, epoch))
            if index + 1 == len(data) or sum(map(len, waiting)) >= FILMS_AT_ONCE:
                version += below(model, waiting)
                waiting = []
                progress(epoch * len(data) + index + 1)
        kept.append(version)
    data.remembered = kept
    return copies


def versions_that_fit(model: MRGModel, data: SplitData, copies: int, most_gib: float) -> int:
    """How many versions of each film `remember_films` would keep."""
    if not model.vision.remembers or len(data) == 0:
        return 0
    once = film_bytes(model) * sum(len(study.views) for study in data.studies)
    return min(copies if data.augmented else 1, int(most_gib * 2**30 // max(1, once)))


def film_bytes(model: MRGModel) -> int:
    """What is remembered of a film takes so much memory."""
    return (model.vision.patches + 1) * model.vision.width * np.dtype(kept_type(model)).itemsize


def kept_type(model: MRGModel) -> type[np.floating]:
    return np.float16 if model.vision.autocast_bf16 else np.float32


def below(model: MRGModel, films: list[np.ndarray]) -> list[np.ndarray]:
    """(W, side, side) uint8 a study -> (W, T, C) a study."""
    stack = torch.from_numpy(np.concatenate(films)).to(model.vision.mean.device).unsqueeze(1).float() / 255
    tokens = model.vision.below(stack).float().cpu().numpy().astype(kept_type(model))
    return np.split(tokens, np.cumsum([len(film) for film in films])[:-1])
