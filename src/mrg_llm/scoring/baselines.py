"""The training split -> the systems that look at no film, or only at the nearest one: what every result stands beside.

A system that does not beat the constant has learned to say "normal".
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mrg_llm.errors import InputError

COMMON, DRAWN = 50, 150  # candidates for the constant report
CONSTANT, RANDOM, NEAREST = "constant", "random", "nearest"


@dataclass(frozen=True)
class Baseline:
    """what: how its reports came about, in words. predictions: one a study, in the order of the ids asked for."""

    name: str
    what: str
    predictions: tuple[str, ...]


def constant_baseline(
    ids: Sequence[str],
    training_reports: Sequence[str],
    validation_score: Callable[[str], float],
    chosen_by: str,
    seed: int = 0,
) -> Baseline:
    """One training report for every study: the one that scores best on the validation split.

    validation_score: a report -> its value when it is given to every validation study. Candidates: the most frequent
    training reports and some random ones; a tie goes to the more frequent.
    """
    candidates = constant_candidates(training_reports, seed)
    best = max(candidates, key=validation_score)
    what = f"one training report for every study, the best of {len(candidates)} by {chosen_by} on the validation split"
    return Baseline(CONSTANT, what, (best,) * len(ids))


def constant_candidates(training_reports: Sequence[str], seed: int = 0) -> tuple[str, ...]:
    """The most frequent training reports, then random ones among the rest, each once."""
    counts = Counter(text for text in training_reports if text.strip())
    if not counts:
        raise InputError("the training split has no report, so there is no baseline to draw from it")
    ordered = sorted(counts, key=lambda text: (-counts[text], text))
    common, rest = ordered[:COMMON], sorted(ordered[COMMON:])
    return (*common, *random.Random(seed).sample(rest, min(DRAWN, len(rest))))


def random_baseline(ids: Sequence[str], training_reports: Sequence[str], seed: int = 0) -> Baseline:
    """A random training report for each study; which one depends on the seed and the study's id alone."""
    pool = sorted(text for text in training_reports if text.strip())
    if not pool:
        raise InputError("the training split has no report, so there is no baseline to draw from it")
    chosen = tuple(pool[_number(f"{seed}:{i}") % len(pool)] for i in ids)
    return Baseline(RANDOM, "a random training report for each study", chosen)


def nearest_baseline(
    ids: Sequence[str], training: Mapping[str, str], nearest: Mapping[str, str] | Callable[[str], str]
) -> Baseline:
    """The report of the training study whose film is nearest.

    training: training id -> report. nearest: study id -> training id, a mapping or a function: whoever has an encoder
    makes it. Raises InputError when a study has no neighbour or the neighbour is no training study.
    """
    chosen = []
    for i in ids:
        other = nearest(i) if callable(nearest) else nearest.get(i)
        if other is None or other not in training:
            raise InputError(f"the nearest training study of {i} is not in the training split; compute the list again")
        chosen.append(training[other])
    return Baseline(NEAREST, "the report of the training study whose film is nearest", tuple(chosen))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
