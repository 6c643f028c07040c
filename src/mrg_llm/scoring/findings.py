"""Findings of a written report against the findings that are truly in a phantom film.

In: reports, and for each the set of CheXpert observations that were drawn. Out: micro precision, recall and F1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from mrg_llm.scoring.clinical import label_report
from mrg_llm.scoring.statistics import Tally
from mrg_llm.scoring.statistics import ratio as share
from mrg_llm.studies.study import Finding

SIZES = ("small", "moderate", "large")


@dataclass(frozen=True)
class FindingScore:
    """Counts over studies; precision, recall and F1 are 0 where nothing could be counted."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def precision(self) -> float:
        return ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        return ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        return ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)


def written_findings(report: str, observations: Collection[str]) -> frozenset[str]:
    """The observations a report says are present."""
    labels = label_report(report).labels
    return frozenset(o for o in observations if labels[o] == 1)


def score_findings(
    reports: Sequence[str], truths: Sequence[Collection[str]], observations: Sequence[str]
) -> dict[str, FindingScore]:
    """One score an observation, and "all" over them together (micro)."""
    written = [written_findings(report, observations) for report in reports]
    scores = {}
    for observation in observations:
        pairs = [(observation in w, observation in set(t)) for w, t in zip(written, truths, strict=True)]
        scores[observation] = FindingScore(
            sum(w and t for w, t in pairs), sum(w and not t for w, t in pairs), sum(t and not w for w, t in pairs)
        )
    parts = scores.values()
    scores["all"] = FindingScore(
        sum(s.true_positives for s in parts),
        sum(s.false_positives for s in parts),
        sum(s.false_negatives for s in parts),
    )
    return scores


def findings_tally(reports: Sequence[str], truths: Sequence[Sequence[Finding]], observations: Sequence[str]) -> Tally:
    """The same counts as a tally: F1 by observation ("f1/Edema") and together ("f1"), and the share of drawn findings
    of each size that the report names ("recall/small"). A false alarm has no size, so sizes have no precision."""
    columns: dict[str, list[int]] = {}
    for report, truth in zip(reports, truths, strict=True):
        written, drawn = written_findings(report, observations), {f.observation: f for f in truth}
        row: dict[str, int] = {}
        for o in observations:
            named, there = o in written, o in drawn
            row |= {f"tp/{o}": named and there, f"fp/{o}": named and not there, f"fn/{o}": there and not named}
        for size in SIZES:
            of_size = [o for o, f in drawn.items() if f.size == size]
            row |= {f"drawn/{size}": len(of_size), f"named/{size}": len(written & set(of_size))}
        for name, value in row.items():
            columns.setdefault(name, []).append(int(value))
    names = list(columns)

    def formula(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
        at = {name: sums_DS[:, i] for i, name in enumerate(names)}

        def f1(chosen: Sequence[str]) -> np.ndarray:
            tp, fp, fn = (np.sum([at[f"{kind}/{o}"] for o in chosen], axis=0) for kind in ("tp", "fp", "fn"))
            return share(2 * tp, 2 * tp + fp + fn)

        values = {"f1": f1(observations)} | {f"f1/{o}": f1([o]) for o in observations}
        return values | {f"recall/{size}": share(at[f"named/{size}"], at[f"drawn/{size}"]) for size in SIZES}

    return Tally(np.stack([np.array(columns[name], dtype=np.float64) for name in names], axis=1), formula)


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
