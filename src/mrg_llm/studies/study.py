"""What a study is: what every reader returns and everything downstream passes on.

A study is one visit of one patient to the X-ray room: one or more views and one report. Readers turn a data set on
disk into a `StudySet`; nothing here opens an image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class InPack:
    """Where a pack keeps a film: the square `film` of the file `shard`, side_px a side, that `fit` made of a film of
    rows x columns pixels."""

    shard: Path
    film: int
    side_px: int
    fit: str
    rows: int
    columns: int


@dataclass(frozen=True)
class View:
    """One film of a study. `mrg_llm.films` reads it, wherever it lies.

    path: the image file. projection: "frontal", "lateral" or None where the source does not say. packed: where its
    pixels are, for a film in a pack; path then says what file it was made of. problem: why a pack holds no pixels of
    it, in a sentence.
    """

    path: Path
    projection: str | None = None
    packed: InPack | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Finding:
    """One finding that is truly in a phantom film.

    name: what was drawn ("effusion"). observation: its CheXpert name ("Pleural Effusion"). side: "left", "right",
    "bilateral" or None. site: an anatomical site ("lower lobe") or None. size: "small", "moderate", "large" or None.
    boxes: projection -> (x0, y0, x1, y1), fractions of the film's width and height.
    """

    name: str
    observation: str
    side: str | None = None
    site: str | None = None
    size: str | None = None
    boxes: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """One visit: its views, and its report where there is one.

    report: the text the model learns to write (by default the findings section). truth: the findings that are really
    there, known for phantom studies only; an empty tuple means a normal study, None means unknown. labels: observation
    -> 1 present, 0 absent, -1 uncertain, None not mentioned, where the source brings them. prior: the id of the
    patient's previous study, where the source tells the time; it need not be among the studies read. prior_report: what
    that study's report says (its findings, else its impression).
    """

    id: str
    split: str | None
    views: tuple[View, ...]
    report: str | None = None
    impression: str | None = None
    indication: str | None = None
    comparison: str | None = None
    patient: str | None = None
    truth: tuple[Finding, ...] | None = None
    labels: Mapping[str, int | None] | None = None
    prior: str | None = None
    prior_report: str | None = None

    @property
    def in_pack(self) -> bool:
        """Whether its films lie in a pack: then reading them again costs next to nothing."""
        return any(view.packed or view.problem for view in self.views)


@dataclass(frozen=True)
class Note:
    """Something a reader left out or could not find: the rule, and the ids of the studies it touched."""

    rule: str
    ids: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(self.ids[:3])
        more = f" and {len(self.ids) - 3} more" if len(self.ids) > 3 else ""
        return f"{self.rule}: {len(self.ids)} ({named}{more})"


@dataclass(frozen=True)
class StudySet:
    """All studies of one source, in the order of its files, with a note for everything left out.

    split_by: "seed:N" where the studies were dealt anew (splits.py), None where the splits are the source's.
    """

    source: str
    studies: tuple[Study, ...]
    notes: tuple[Note, ...] = ()
    split_by: str | None = None

    def __len__(self) -> int:
        return len(self.studies)

    def __iter__(self) -> Iterator[Study]:
        return iter(self.studies)

    def split(self, name: str) -> tuple[Study, ...]:
        """The studies of one split, in order."""
        return tuple(study for study in self.studies if study.split == name)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, splits, reports and image names: two runs with the same value read the same studies."""
        digest = hashlib.sha256()
        for s in self.studies:
            line = [s.id, s.split, s.report, [[v.path.name, v.projection] for v in s.views]]
            digest.update(json.dumps(line, ensure_ascii=False).encode())
        return digest.hexdigest()
