"""The tables of MIMIC-CXR-JPG, a row at a time -> one `Entry` a study. The order of rows changes nothing.

metadata    dicom_id, subject_id, study_id, ViewPosition, StudyDate, StudyTime, ...    a row a film
split       dicom_id, study_id, subject_id, split                                      a row a film
chexpert    subject_id, study_id, and 14 observations: 1.0, 0.0, -1.0 or empty         a row a study
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError
from mrg_llm.studies.reading import table_rows
from mrg_llm.studies.rows import SPLIT_NAMES

FILM_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
LABELS = {"1.0": 1, "0.0": 0, "-1.0": -1, "1": 1, "0": 0, "-1": -1, "": None}
When = tuple[int, float]


@dataclass(slots=True)
class Entry:
    """What the tables say of a study.

    films: dicom_id -> ViewPosition, "" where it is not known. when: (date, time) as numbers, YYYYMMDD and HHMMSS.fff;
    dates are shifted, by the same number of days for all studies of a patient. described: False where the metadata
    table has no row of it.
    """

    patient: str
    films: dict[str, str] = field(default_factory=dict)
    split: str | None = None
    when: When | None = None
    labels: Mapping[str, int | None] | None = None
    described: bool = False


def entries_of(metadata: Path, splits: Path, chexpert: Path | None) -> dict[str, Entry]:
    """study_id -> its entry, for every study of the metadata or the split table.

    Raises DataError in one sentence for a table that is damaged, lacks a column or contradicts another.
    """
    entries: dict[str, Entry] = {}
    for where, row in table_rows(metadata, ("dicom_id", "subject_id", "study_id", "ViewPosition", "StudyDate",
                                            "StudyTime")):  # fmt: skip
        place = f"{metadata}, line {where},"
        entry = entry_of(row, place, entries)
        entry.described = True
        add_film(entry, row, cell(row, "ViewPosition", place).upper(), place)
        when = when_of(cell(row, "StudyDate", place), cell(row, "StudyTime", place))
        entry.when = min(filter(None, (entry.when, when)), default=None)
    for where, row in table_rows(splits, ("dicom_id", "study_id", "subject_id", "split")):
        place = f"{splits}, line {where},"
        entry = entry_of(row, place, entries)
        add_film(entry, row, None, place)
        split = SPLIT_NAMES.get(cell(row, "split", place))
        if split is None:
            raise DataError(f"{place} has a split that is none of train, validate, test; fetch the table again")
        if entry.split not in (None, split):
            raise DataError(f"{place} puts study s{row['study_id']} into a second split; fetch the table again")
        entry.split = split
    for study, labels in labels_in(chexpert) if chexpert else ():
        if study in entries:
            entries[study].labels = labels
    return entries


def entry_of(row: Mapping[str, Any], place: str, entries: dict[str, Entry]) -> Entry:
    """The entry that a row belongs to, new if need be."""
    study, patient = number(row, "study_id", place), number(row, "subject_id", place)
    entry = entries.get(study)
    if entry is None:
        entry = entries[study] = Entry(patient)
    elif entry.patient != patient:
        raise DataError(f"{place} gives study s{study} to a second patient; fetch the table again")
    return entry


def add_film(entry: Entry, row: Mapping[str, Any], position: str | None, place: str) -> None:
    """position: None where the table does not tell it."""
    name = cell(row, "dicom_id", place)
    if not FILM_NAME.fullmatch(name):
        raise DataError(f"{place} has a dicom_id that is no file's name; fetch the table again")
    known = entry.films.get(name)
    if known and position is not None and known != position:
        raise DataError(f"{place} gives a second ViewPosition to a film; fetch the table again")
    entry.films[name] = known or position or ""


def labels_in(chexpert: Path) -> Iterator[tuple[str, Mapping[str, int | None]]]:
    """(study_id, observation -> 1, 0, -1 or None). Studies with the same labels share one mapping."""
    seen: dict[tuple[int | None, ...], Mapping[str, int | None]] = {}
    given: dict[str, Mapping[str, int | None]] = {}
    for where, row in table_rows(chexpert, ("subject_id", "study_id")):
        place = f"{chexpert}, line {where},"
        study = number(row, "study_id", place)
        names = [name for name in row if name not in ("subject_id", "study_id")]
        try:
            values = tuple(LABELS[cell(row, name, place)] for name in names)
        except KeyError as error:
            raise DataError(f"{place} has a label that is none of 1.0, 0.0, -1.0 and empty; fetch it again") from error
        labels = seen.setdefault(values, dict(zip(names, values, strict=True)))
        if given.setdefault(study, labels) != labels:
            raise DataError(f"{place} labels study s{study} a second time, and otherwise; fetch the table again")
        yield study, labels


def when_of(date: str, time: str) -> When | None:
    """ "21800506", "94530.5" as numbers that can be compared; None where one of them is not what it should be."""
    try:
        clock = float(time)
    except ValueError:
        return None
    if len(date) != 8 or not (date.isascii() and date.isdecimal()) or not math.isfinite(clock) or not 0 <= clock < 24e4:
        return None
    return int(date), clock


def number(row: Mapping[str, Any], name: str, place: str) -> str:
    value = cell(row, name, place)
    if not (value.isascii() and value.isdecimal() and 2 <= len(value) <= 20):
        raise DataError(f"{place} has no number as its {name}; fetch the table again")
    return value


def cell(row: Mapping[str, Any], name: str, place: str) -> str:
    value = row[name]
    if not isinstance(value, str) or None in row:
        raise DataError(f"{place} has {'more' if None in row else 'fewer'} cells than the header; fetch it again")
    return value.strip()
