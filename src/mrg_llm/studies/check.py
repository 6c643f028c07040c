"""What a data set holds, and what is wrong with it: `StudySet` -> rows to print and a verdict.

`describe` looks at texts and tables only. `check` opens every film as well, with the reader it is given, so that this
side of the house needs none.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mrg_llm.errors import ImageError
from mrg_llm.studies.study import Study, StudySet, View

Weight = Literal["fact", "look", "stop"]

NARROWEST = 0.2  # a film's shorter side over its longer one; the longest detectors are 0.4
FLATTEST = 0.02  # standard deviation of a film in 0..1; a blank exposure has less


class Pixels(Protocol):
    """What a reader of films gives: `pixels` (H, W) in 0..1."""

    @property
    def pixels(self) -> np.ndarray: ...


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
    """The rows of a check, in the order to print them."""

    source: str
    rows: tuple[Row, ...]

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
        if self.ok:
            return f"{self.source} can be trained on; rows with ? are worth a look"
        return f"{self.source} should not be trained on: {'; '.join(f'{r.what} ({r.count:,})' for r in self.faults)}"

    def __getitem__(self, what: str) -> Row:
        return next(row for row in self.rows if row.what == what)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.rows), self.verdict])


def describe(studies: StudySet) -> DataCheck:
    """Counts of studies, views and reports. Opens no image."""
    return DataCheck(studies.source, (*counts(studies), *reader_notes(studies), *texts(studies.studies)))


def check(
    studies: StudySet, read: Callable[[View], Pixels], progress: Callable[[int], None] = lambda done: None
) -> DataCheck:
    """`describe`, and every film opened: unreadable, blank, oddly shaped and repeated ones.

    read: gives a view's film or raises ImageError (mrg_llm.films.film_of). progress: told how many
    studies are done.
    """
    known = describe(studies)
    return DataCheck(known.source, (*known.rows, *films(studies.studies, read, progress)))


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
    empty = [study.id for study in studies if not (study.report or "").strip()]
    yield row("studies without a report", empty, "look")
    in_training = [study.id for study in studies if study.split == "train" and not (study.report or "").strip()]
    yield row("training studies without a report", in_training, "stop")
    groups = grouped((" ".join((study.report or "").lower().split()), study) for study in studies)
    groups.pop("", None)
    yield Row("different reports", len(groups))
    yield row("studies whose report another study has, word for word", repeated(groups), "look")
    yield row("val and test studies whose report stands in train", held_out(groups), "look")


def films(studies: Sequence[Study], read: Callable[[View], Pixels], progress: Callable[[int], None]) -> Iterable[Row]:
    """Opens one film after the other and keeps only its hash."""
    unreadable: list[str] = []
    blank: list[str] = []
    odd: list[str] = []
    hashes: list[tuple[bytes, Study]] = []
    for done, study in enumerate(studies, start=1):
        for number, view in enumerate(study.views):
            name = f"{study.id}[{number}]"
            try:
                pixels = read(view).pixels
            except ImageError:
                unreadable.append(name)
                continue
            if min(pixels.shape) < NARROWEST * max(pixels.shape):
                odd.append(name)
            if pixels.std() < FLATTEST:
                blank.append(name)
            hashes.append((hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest(), study))
        progress(done)
    groups = grouped(hashes)
    yield row("films that cannot be read", unreadable, "stop")
    yield row("films of a shape no chest film has", odd, "look")
    yield row("blank films", blank, "look")
    yield Row("different films", len(groups))
    within = [ids[0].id for ids in groups.values() if len({s.id for s in ids}) < len(ids)]
    yield row("studies that hold the same film twice", within, "look")
    yield row("studies that share a film with another study", repeated(groups), "look")
    yield row("val and test studies with a film that stands in train", held_out(groups), "stop")


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
