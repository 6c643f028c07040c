"""`mrg data check`: every film opened, every report read -> rows, a verdict, a page.

The one place where studies, films and labels meet. studies/check.py has the rows that need no film, images/likeness.py
what is told from pixels, scoring/ the labeler; here films are opened and all of it is put together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mrg_llm.datacheck.films import film_rows
from mrg_llm.datacheck.flags import Flags, flags_of
from mrg_llm.datacheck.labels import LabelCounts, count_labels, label_rows
from mrg_llm.datacheck.opening import FilmFacts, Read, look_at_films
from mrg_llm.errors import ResourceError
from mrg_llm.scoring.outputs import write_text
from mrg_llm.studies.check import DataCheck, describe
from mrg_llm.studies.study import StudySet

__all__ = ["Checked", "check_data", "refuse_unwritable", "write_rows"]


@dataclass(frozen=True)
class Checked:
    """Everything that was found. found: the rows and the verdict. films: in order of study and view. flags: reason ->
    the films it concerns."""

    studies: StudySet
    found: DataCheck
    films: tuple[FilmFacts, ...]
    flags: Flags
    labels: LabelCounts


def check_data(
    studies: StudySet,
    read: Read | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Checked:
    """Open every film once and keep only what was measured on it.

    read: gives a film or raises ImageError; without it films are decoded in processes of their own, one a worker.
    workers: how many films at a time; as many as there are cores, at most 4. progress: told how many films are done.
    """
    films = tuple(look_at_films(studies.studies, read, workers, progress))
    flags = flags_of(studies.studies, films)
    labels = count_labels(studies.studies)
    known = describe(studies)
    rows = (*known.rows, *label_rows(labels), *film_rows(studies.studies, films, flags))
    return Checked(studies, DataCheck(known.source, rows, known.learnable), films, flags, labels)


def refuse_unwritable(*paths: Path | None) -> None:
    """Before hours are spent on films. Raises ResourceError for a file in a folder that is not there."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise ResourceError(f"{path} cannot be written: there is no folder {path.parent}; make it first")


def write_rows(found: DataCheck, path: Path) -> None:
    """The rows for scripts, as JSON, whole or not at all. Holds ids of studies. Raises ResourceError."""
    rows = [
        {"what": row.what, "count": row.count, "weight": row.weight, "examples": list(row.examples)}
        for row in found.rows
    ]
    known = {"source": found.source, "ok": found.ok, "verdict": found.verdict, "rows": rows}
    write_text(path, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
