"""Is this picture like the films a model was trained on? If not, no draft is better than a fluent one about a cat.

Films are described by the published, untrained encoder (nearest.py) and measured by their Mahalanobis distance from
the training films (Lee 2018) in the leading directions, everything else counting as one more. The limit is what one
training film in 500 lies beyond, measured on films that were held out of the fit. A negative or a turned film is not
much farther away than a rare upright one, but it is farther than the same film put right: so it is looked at in other
postures too.
Legend: N films, P postures, S side, C width of the encoder, K leading directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import load_file, save
from torch import Tensor

from mrg_llm.errors import CheckpointError
from mrg_llm.model.nearest import BATCH, ENCODER, mean_features
from mrg_llm.model.processing import sound_views, to_square_uint8
from mrg_llm.model.vision import VisionEncoder
from mrg_llm.studies.study import Study

if TYPE_CHECKING:
    from mrg_llm.model.processing import Film

DIRECTIONS = 64
FOLDS = 5
BEYOND = 0.002  # of training films
POSTURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # what a film is that this puts right: (N, S, S) uint8
    "a negative": lambda squares: 255 - squares,
    "upside down": lambda squares: np.rot90(squares, 2, axes=(1, 2)),
    "on its side": lambda squares: np.rot90(squares, 1, axes=(1, 2)),
    "on its other side": lambda squares: np.rot90(squares, 3, axes=(1, 2)),
}
NEARER = 1.25  # times, as which another posture has to be nearer to the training films (docs/results.md)
FEWEST = 50  # films; fewer say nothing of what a film looks like
NUMBERS = ("mean_C", "axes_KC", "variances_K", "rest", "limit")


@dataclass(frozen=True)
class Judged:
    """A picture against the training films. distance: 1 is the limit, beyond which it is a stranger. posture:
    "upright", or the key of POSTURES whose change would make it familiar."""

    distance: float
    posture: str

    @property
    def refused(self) -> bool:
        return self.distance > 1 or self.posture != "upright"


class Familiarity:
    """Where training films lie: fitted once, kept in the run folder."""

    def __init__(self, numbers: dict[str, np.ndarray]):
        self.numbers = numbers

    @classmethod
    def fit(cls, features_NC: np.ndarray) -> Familiarity:
        """From features of training films. Raises ValueError for fewer than FEWEST."""
        N = len(features_NC)
        if N < FEWEST:
            raise ValueError(f"{N} films are too few to say what a film looks like; it takes {FEWEST}")
        order = np.random.default_rng(0).permutation(N)
        held = np.empty(N)
        for fold in range(FOLDS):
            out = order[fold::FOLDS]
            held[out] = raw_distance(directions(np.delete(features_NC, out, axis=0)), features_NC[out])
        limit = np.quantile(held, 1 - BEYOND)
        return cls({**directions(features_NC), "limit": np.array(limit)})

    def distance(self, features_NC: np.ndarray) -> np.ndarray:
        """(N,): 1 is the limit, beyond which a picture is a stranger."""
        return raw_distance(self.numbers, features_NC) / self.numbers["limit"]

    def judged(self, films: Sequence[Film]) -> list[Judged]:
        """Each film as it is, and whether another posture would make it familiar."""
        squares_NSS = np.stack([to_square_uint8(film, ENCODER.side_px, ENCODER.fit) for film in films])
        postures_PNSS = np.stack([squares_NSS, *(change(squares_NSS) for change in POSTURES.values())])
        features = mean_features(self.encoder, postures_PNSS.reshape(-1, *squares_NSS.shape[1:])).numpy()
        distances_PN = self.distance(features).reshape(len(postures_PNSS), -1)
        names = ("upright", *POSTURES)
        nearest_N, least_N = distances_PN.argmin(0), distances_PN.min(0)
        turned_N = (distances_PN[0] > NEARER * least_N) & (least_N < 1)
        return [
            Judged(float(distance), names[nearest] if turned else "upright")
            for distance, nearest, turned in zip(distances_PN[0], nearest_N, turned_N, strict=True)
        ]

    @cached_property
    def encoder(self) -> VisionEncoder:
        """The published encoder, kept: a service asks for every study."""
        return VisionEncoder.load(ENCODER).eval()

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        return save({name: np.atleast_1d(value.astype(np.float32)) for name, value in self.numbers.items()})

    @classmethod
    def load(cls, path: Path) -> Familiarity:
        """Raises CheckpointError for a file that is not one of ours."""
        try:
            numbers = load_file(path)
            return cls({name: numbers[name] for name in NUMBERS})
        except Exception as error:  # safetensors raises its own, undocumented kinds
            raise CheckpointError(f"{path} is damaged; restore it, or train the run again") from error


def directions(features_NC: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, leading directions with their variances, and the mean variance of the other directions."""
    mean = features_NC.mean(0)
    _, singular, axes = np.linalg.svd(features_NC - mean, full_matrices=False)
    K = min(DIRECTIONS, len(features_NC) // 4)
    variances = singular**2 / len(features_NC)
    rest = variances[K:].mean() if len(variances) > K else variances[-1]
    return {"mean_C": mean, "axes_KC": axes[:K], "variances_K": variances[:K], "rest": np.array(max(rest, 1e-12))}


def raw_distance(numbers: dict[str, np.ndarray], features_NC: np.ndarray) -> np.ndarray:
    """(N,): squared Mahalanobis distance."""
    centred = features_NC - numbers["mean_C"]
    along = centred @ numbers["axes_KC"].T
    beside = (centred**2).sum(1) - (along**2).sum(1)
    return (along**2 / np.maximum(numbers["variances_K"], 1e-12)).sum(1) + np.maximum(beside, 0) / numbers["rest"]


def familiar_films(
    studies: Sequence[Study], most: int, seed: int, progress: Callable[[int], None] = lambda done: None
) -> Familiarity | None:
    """What the films of these studies look like, from at most `most` of them; None where they are too few."""
    order = np.random.default_rng([seed, len(studies)]).permutation(len(studies))
    encoder = VisionEncoder.load(ENCODER).eval()
    rows: list[Tensor] = []
    films = 0
    for start in range(0, len(order), BATCH):
        part = [studies[i] for i in order[start : start + BATCH]]
        seen = [sound_views(study, ENCODER.side_px, ENCODER.fit)[0] for study in part]
        rows.append(mean_features(encoder, np.concatenate(seen)[: most - films]))
        films += len(rows[-1])
        progress(films)
        if films >= most:
            break
    return Familiarity.fit(torch.cat(rows).double().numpy()) if films >= FEWEST else None
