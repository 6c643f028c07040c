"""What readers share: CSV tables, sections, and leaving out what is not on the disk, with a note."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from mrg_llm.errors import DataError
from mrg_llm.studies.study import Note, Study, StudySet, View

PROJECTIONS = ("frontal", "lateral")


def study_of(id_: str, split: str | None, views: tuple[View, ...], report: str | None, sections: Mapping[str, str],
             patient: str | None) -> Study:  # fmt: skip
    """A study with the sections that the source has; an empty section is None."""
    indication, comparison, impression = (
        (sections.get(name) or "").strip() or None for name in ("indication", "comparison", "impression")
    )
    return Study(id_, split, views, report, impression, indication, comparison, patient)


def with_what_is_there(
    source: str, studies: Iterable[Study], notes: Sequence[Note] = (), there: Callable[[Path], bool] | None = None
) -> StudySet:
    """Studies with the views whose files exist; what is missing is named in notes. Raises DataError if none is left.

    there: says whether a file exists, for a reader that knows already.
    """
    there = there or is_file
    kept: list[Study] = []
    incomplete: list[str] = []
    bare: list[str] = []
    for study in studies:
        views = tuple(view for view in study.views if there(view.path))
        if views:
            kept.append(replace(study, views=views) if len(views) < len(study.views) else study)
        if len(views) < len(study.views) or not views:
            (incomplete if views else bare).append(study.id)
    if not kept:
        raise DataError(f"none of the {len(bare)} studies of {source} has an image file; put the pictures there")
    found = (
        Note("image file missing, study kept with its other views", tuple(incomplete)),
        Note("no image file, study left out", tuple(bare)),
    )
    return StudySet(source, tuple(kept), (*notes, *(note for note in found if note.ids)))


def is_file(path: Path) -> bool:
    """False as well for what no file can be called (a name that is too long, for example)."""
    try:
        return path.is_file()
    except OSError:
        return False


def known_projection(value: str | None) -> str | None:
    """ "Frontal" and "LATERAL " as we write them; None for anything else."""
    value = (value or "").strip().lower()
    return value if value in PROJECTIONS else None


def table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header. Raises DataError for a file without these columns."""
    return [{name: value or "" for name, value in row.items() if name} for _, row in table_rows(path, columns)]


def table_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) one after the other, of a CSV file or one packed with gzip (.gz); a short row's cells are None.

    Raises DataError for a file without these columns, or one that cannot be read to its end.
    """
    try:
        with opened(path) as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}; it needs {', '.join(columns)}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({type(error).__name__}); fetch it again") from error


def opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(newline="", encoding="utf-8-sig")
