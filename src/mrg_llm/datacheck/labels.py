"""CheXpert's 14 observations of every study -> counts by split: the source's labels where it brings them, else what the
labeler reads in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mrg_llm.scoring.clinical import OBSERVATIONS, label_report
from mrg_llm.studies.check import Row, row
from mrg_llm.studies.study import Study


@dataclass(frozen=True)
class LabelCounts:
    """present: (split, observation) -> studies that have it. studies: split -> studies with labels. given, read: how
    many were labelled by their source, and from their report."""

    present: Mapping[tuple[str, str], int]
    studies: Mapping[str, int]
    given: int
    read: int

    def of(self, observation: str, split: str | None = None) -> int:
        """Studies that have it, of one split or of all."""
        return sum(self.present.get((name, observation), 0) for name in self.studies if split in (None, name))


def count_labels(studies: Sequence[Study]) -> LabelCounts:
    """Uncertain counts as not present."""
    present: Counter[tuple[str, str]] = Counter()
    labelled: Counter[str] = Counter()
    given = 0
    for study in studies:
        if study.labels is not None:
            labels: Mapping[str, int | None] = study.labels
            given += 1
        elif (study.report or "").strip():
            labels = labels_of_report(study.report or "")
        else:
            continue
        split = study.split or "no split"
        labelled[split] += 1
        present.update((split, name) for name in OBSERVATIONS if labels.get(name) == 1)
    return LabelCounts(present, labelled, given, labelled.total() - given)


@lru_cache(maxsize=4096)  # many reports are the same, word for word
def labels_of_report(report: str) -> dict[str, int | None]:
    return label_report(report).labels


def label_rows(counts: LabelCounts) -> Iterable[Row]:
    yield Row("studies labelled by their source", counts.given)
    yield Row("studies labelled by reading their report", counts.read)
    yield from (Row(f"studies with {name}", counts.of(name)) for name in OBSERVATIONS)
    unseen = [
        name for name in OBSERVATIONS
        if counts.studies.get("train") and not counts.of(name, "train") and counts.of(name)
    ]  # fmt: skip
    yield row("observations that no training study has and others do", unseen, "look")
