"""What a data set holds, and what is wrong with its texts and tables: `StudySet` -> rows to print and a verdict.

Opens no film. `mrg_llm.datacheck` does, and adds its rows to these.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mrg_llm.studies.study import Study, StudySet

Weight = Literal["fact", "look", "stop"]


@dataclass(frozen=True)
class Row:
    """One line of the table. weight: "fact", "look" (worth knowing), "stop" (training on it would be wrong)."""

    what: str
    count: int
    weight: Weight = "fact"
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        mark = {"fact": " ", "look": "?", "stop": "!"}[self.weight if self.count else "fact"]
        shown = (
            f"  ({', '.join(self.examples[:3])}{', ...' if len(self.examples) > 3 else ''})" if self.examples else ""
        )
        return f"{mark} {self.count:>7,}  {self.what}{shown}"


@dataclass(frozen=True)
class DataCheck:
    """The rows of a check, in the order to print them. learnable: training studies that have a report."""

    source: str
    rows: tuple[Row, ...]
    learnable: int

    @property
    def faults(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.weight == "stop" and row.count)

    @property
    def ok(self) -> bool:
        """False where training on this data would be wrong."""
        return not self.faults

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.ok and not self.learnable:
            return (
                f"{self.source} has no training split: nothing can be learned from it; where it holds reports, "
                "--split-by seed deals one"
            )
        if self.ok:
            return f"{self.source} can be trained on; rows with ? are worth a look"
        return f"{self.source} should not be trained on: {'; '.join(f'{r.what} ({r.count:,})' for r in self.faults)}"

    def __getitem__(self, what: str) -> Row:
        return next(row for row in self.rows if row.what == what)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.rows), self.verdict])


def describe(studies: StudySet) -> DataCheck:
    """Counts of studies, views and reports. Opens no image."""
    learnable = sum(bool((study.report or "").strip()) for study in studies.split("train"))
    return DataCheck(studies.source, (*counts(studies), *reader_notes(studies), *texts(studies.studies)), learnable)


def counts(studies: StudySet) -> Iterable[Row]:
    yield Row("studies", len(studies))
    splits = Counter(study.split or "no split" for study in studies)
    yield from (Row(f"studies in {name}", count) for name, count in splits.items())
    for name in splits:  # what papers on MIMIC-CXR count
        yield Row(f"views in {name}", sum(len(study.views) for study in studies if (study.split or "no split") == name))
    views = Counter(len(study.views) for study in studies)
    yield from (Row(f"studies with {n} view{'s' if n > 1 else ''}", views[n]) for n in sorted(views))
    projections = Counter(view.projection or "of unknown projection" for study in studies for view in study.views)
    yield from (Row(f"views {name}", count) for name, count in sorted(projections.items()))
    patients: dict[str, set[str]] = defaultdict(set)
    for study in studies:
        if study.patient and study.split:
            patients[study.patient].add(study.split)
    shared = [patient for patient, homes in patients.items() if len(homes) > 1]
    yield Row("patients in two splits", len(shared), "stop")
    ids = Counter(study.id for study in studies)
    yield row("studies with an id that another has", [id_ for id_, count in ids.items() if count > 1], "stop")


def reader_notes(studies: StudySet) -> Iterable[Row]:
    return (Row(note.rule, len(note.ids), "look", note.ids) for note in studies.notes)


def texts(studies: Sequence[Study]) -> Iterable[Row]:
    """Empty reports, and reports that are the same but for case and spaces."""
    without = [study for study in studies if not (study.report or "").strip()]
    yield row("studies without a report", [study.id for study in without], "look")
    unlearnable = [study.id for study in without if study.split == "train"]
    yield row("training studies without a report, left out of training", unlearnable, "look")
    in_training = sum(study.split == "train" for study in studies)
    nothing = unlearnable if len(unlearnable) == in_training else []
    yield row("studies of a training split that has no report at all", nothing, "stop")
    groups = grouped((" ".join((study.report or "").lower().split()), study) for study in studies)
    groups.pop("", None)
    yield Row("different reports", len(groups))
    yield row("studies whose report another study has, word for word", repeated(groups), "look")
    yield row("val and test studies whose report stands in train", held_out(groups), "look")


def row(what: str, ids: Sequence[str], weight: Weight) -> Row:
    return Row(what, len(ids), weight, tuple(ids))


def grouped(pairs: Iterable[tuple[Hashable, Study]]) -> dict[Hashable, list[Study]]:
    groups: dict[Hashable, list[Study]] = defaultdict(list)
    for key, study in pairs:
        groups[key].append(study)
    return groups


def repeated(groups: dict[Hashable, list[Study]]) -> list[str]:
    """Ids of studies that share something with a study of another id, in order of appearance."""
    return list(dict.fromkeys(s.id for group in groups.values() if len({s.id for s in group}) > 1 for s in group))


def held_out(groups: dict[Hashable, list[Study]]) -> list[str]:
    """Ids of val and test studies that share something with a training study."""
    leaking = (group for group in groups.values() if any(s.split == "train" for s in group))
    return list(dict.fromkeys(s.id for group in leaking for s in group if s.split in ("val", "test")))
