"""The training studies whose films look most like this one's, by the published, untrained encoder (nearest.py).

In: one study's films, training studies. Out: the likest of them. They say what the model may have learned from, not
what it used: nothing of them is looked up while it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mrg_llm.model.nearest import ENCODER, describe, mean_features, unit
from mrg_llm.model.processing import Shown, to_square_uint8
from mrg_llm.model.vision import VisionEncoder
from mrg_llm.studies.study import Study


@dataclass(frozen=True)
class Alike:
    """A training study and its likeness, the cosine of mean patch features after the training mean is taken off."""

    study: Study
    likeness: float


def likest_studies(
    shown: Shown, training: Sequence[Study], count: int = 3, progress: Callable[[int], None] = lambda done: None
) -> list[Alike]:
    """The `count` likest, the likest first. progress: told how many training studies were looked at."""
    encoder = VisionEncoder.load(ENCODER).eval()
    squares = np.stack([to_square_uint8(film, ENCODER.side_px, ENCODER.fit) for film in shown.films])
    own = mean_features(encoder, squares).mean(0, keepdim=True)
    known = describe(encoder, training, progress)
    centre = known.mean(0)
    likeness = (unit(own - centre) @ unit(known - centre).T)[0]
    best = likeness.argsort(descending=True)[:count].tolist()
    return [Alike(training[i], float(likeness[i])) for i in best]
