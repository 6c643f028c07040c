"""Findings of a written report against the findings that are truly in a phantom film.

In: reports, and for each the set of CheXpert observations that were drawn. Out: micro precision, recall and F1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mrg_llm.scoring.clinical import label_report


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


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
