"""Per-study sums -> values, 95 % intervals and paired tests, the same way for every metric there is.

A family of metrics is a `Tally`: a row of numbers a study that may be added up, and a formula from the sums to the
values. BLEU is a function of summed n-gram counts, METEOR of summed match counts, F1 of summed true and false
positives, a mean of a sum and a count; so a bootstrap is one matrix product, and no text is looked at twice.

Legend: N studies, S sums, D draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mrg_llm.errors import InputError

DRAWS = 1000
SEED = 0
_CHUNK = 4_000_000  # numbers in one block of weights: 32 MB


@dataclass(frozen=True)
class Tally:
    """stats_NS: a row a study. formula: sums of rows, (D, S) -> {metric: values (D,)}."""

    stats_NS: np.ndarray
    formula: Callable[[np.ndarray], dict[str, np.ndarray]]

    def values(self) -> dict[str, float]:
        """Each metric over all studies."""
        return {name: float(v[0]) for name, v in self.formula(self.stats_NS.sum(axis=0, keepdims=True)).items()}

    def per_study(self) -> dict[str, np.ndarray]:
        """Each metric of each study alone, (N,)."""
        return self.formula(self.stats_NS)

    def take(self, rows: np.ndarray) -> Tally:
        """The same metrics over some of the studies."""
        return Tally(self.stats_NS[rows], self.formula)

    def only(self, names: Mapping[str, str]) -> Tally:
        """Some of the metrics; names: what it is called there -> what it is called here."""
        formula = self.formula

        def chosen(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
            values = formula(sums_DS)
            return {there: values[here] for there, here in names.items()}

        return Tally(self.stats_NS, chosen)


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """This system minus the other on the same studies; p: approximate randomization, p_holm: corrected for the number
    of metrics tested together."""

    value: float
    low: float
    high: float
    p: float
    p_holm: float


def means(values: Mapping[str, np.ndarray]) -> Tally:
    """The metrics that are plain means over studies; values: name -> (N,)."""
    names = tuple(values)
    columns = [np.asarray(values[name], dtype=np.float64) for name in names]
    stats_NS = np.stack([*columns, np.ones(len(columns[0]))], axis=1)

    def formula(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
        return {name: ratio(sums_DS[:, i], sums_DS[:, -1]) for i, name in enumerate(names)}

    return Tally(stats_NS, formula)


def averaged(tallies: Sequence[Tally]) -> Tally:
    """The mean of each metric over several systems on the same studies, such as one recipe's runs with several seeds.

    As a tally it has intervals and paired tests over studies like any other: a study that is drawn, or that changes
    sides, does so in all of them at once. Raises InputError where they are not on the same studies.
    """
    _check(tallies)
    ends = np.cumsum([t.stats_NS.shape[1] for t in tallies])[:-1]

    def formula(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
        values = [t.formula(part) for t, part in zip(tallies, np.split(sums_DS, ends, axis=1), strict=True)]
        return {name: np.mean([v[name] for v in values], axis=0) for name in values[0]}

    return Tally(np.concatenate([t.stats_NS for t in tallies], axis=1), formula)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, 0 where there is nothing below."""
    return np.divide(above, below, out=np.zeros_like(np.asarray(above, dtype=np.float64)), where=below != 0)


def intervals(tallies: Sequence[Tally], draws: int = DRAWS, seed: int = SEED) -> dict[str, Interval]:
    """Bootstrap over studies, the same draws for every metric: {metric: value with the 2.5 and 97.5 percentiles}.

    CIDEr keeps the document frequencies of the whole run in every draw. draws 0: the interval is the value itself.
    """
    _check(tallies)
    drawn: list[dict[str, np.ndarray]] = []
    for weights_DN in _resampled(len(tallies[0].stats_NS), draws, seed):
        drawn.append(_values(tallies, weights_DN))
    result = {}
    for name, value in _all_values(tallies).items():
        if drawn:
            low, high = np.percentile(np.concatenate([d[name] for d in drawn]), (2.5, 97.5))
        else:
            low = high = value
        result[name] = Interval(value, float(low), float(high))
    return result


def compare(
    ours: Sequence[Tally], theirs: Sequence[Tally], draws: int = DRAWS, seed: int = SEED
) -> dict[str, Difference]:
    """Ours minus theirs on the same studies in the same order, for every metric both have.

    Interval: paired bootstrap. p: approximate randomization (each study's two outputs change sides by a coin),
    two-sided, (1 + as extreme) / (1 + draws). p_holm: Holm's correction over the metrics compared here.
    """
    _check([*ours, *theirs])
    first, second = _all_values(ours), _all_values(theirs)
    names = [name for name in first if name in second]
    n = len(ours[0].stats_NS)
    gaps: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for weights_DN in _resampled(n, draws, seed):
        a, b = _values(ours, weights_DN), _values(theirs, weights_DN)
        for name in names:
            gaps[name].append(a[name] - b[name])
    extreme = dict.fromkeys(names, 0)
    for coins_DN in _coins(n, draws, seed + 1):
        a, b = _exchanged(ours, theirs, coins_DN)
        for name in names:
            observed = abs(first[name] - second[name])
            extreme[name] += int((np.abs(a[name] - b[name]) >= observed - 1e-12).sum())
    p = {name: (1 + extreme[name]) / (1 + draws) for name in names}
    corrected = holm(p)
    result = {}
    for name in names:
        low, high = np.percentile(np.concatenate(gaps[name]), (2.5, 97.5))
        result[name] = Difference(first[name] - second[name], float(low), float(high), p[name], corrected[name])
    return result


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction: {name: corrected p}, never below p and never above 1."""
    corrected, floor = {}, 0.0
    for rank, name in enumerate(sorted(p, key=lambda k: p[k])):
        floor = max(floor, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = floor
    return {name: corrected[name] for name in p}


def _check(tallies: Sequence[Tally]) -> None:
    sizes = {len(t.stats_NS) for t in tallies}
    if len(sizes) != 1 or not min(sizes):
        raise InputError(f"the systems must be scored on the same studies, at least one; they have {sorted(sizes)}")


def _all_values(tallies: Sequence[Tally]) -> dict[str, float]:
    return {name: value for tally in tallies for name, value in tally.values().items()}


def _values(tallies: Sequence[Tally], weights_DN: np.ndarray) -> dict[str, np.ndarray]:
    return {name: v for tally in tallies for name, v in tally.formula(weights_DN @ tally.stats_NS).items()}


def _exchanged(ours: Sequence[Tally], theirs: Sequence[Tally], coins_DN: np.ndarray):
    """Values of both systems after the studies whose coin shows 1 have changed sides."""
    a: dict[str, np.ndarray] = {}
    b: dict[str, np.ndarray] = {}
    for one, two in zip(ours, theirs, strict=True):
        moved_DS = coins_DN @ (two.stats_NS - one.stats_NS)
        a |= one.formula(one.stats_NS.sum(axis=0) + moved_DS)
        b |= two.formula(two.stats_NS.sum(axis=0) - moved_DS)
    return a, b


def _resampled(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks (D, N) of how often each study is in each draw; the same for the same seed."""
    rng = np.random.default_rng(seed)
    for size in _blocks(n, draws):
        picks = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _coins(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for size in _blocks(n, draws):
        yield rng.integers(0, 2, (size, n)).astype(np.float64)


def _blocks(n: int, draws: int) -> Iterator[int]:
    size = max(1, _CHUNK // n)
    for start in range(0, draws, size):
        yield min(size, draws - start)
