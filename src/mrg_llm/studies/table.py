"""`table:FILE`: anyone's studies out of a CSV, JSONL or Parquet file, or a Hugging Face folder -> `StudySet`.

Which columns there are says columns.py, how a file is read rows.py. A row is a study; rows that share an id are views
of one study, and must agree in everything else. The same rows in another order give the same studies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError
from mrg_llm.studies.cells import PROJECTIONS, cells, identifier, labels_of, split_of, text
from mrg_llm.studies.columns import Header, header
from mrg_llm.studies.embedded import film_file, films_folder
from mrg_llm.studies.reading import with_what_is_there
from mrg_llm.studies.rows import Row, rows_of
from mrg_llm.studies.study import Note, Study, StudySet, View

TEXTS = ("findings", "impression", "indication", "comparison", "prior_report")


def read_table(path: Path) -> StudySet:
    """The studies of a table, in the order of their first rows; what is missing or unused is named in notes.

    Images inside the table are written once to a folder beside it (embedded.py). Raises DataError in one sentence for
    whatever else is wrong, with the place of the row.
    """
    reading = Reading(path)
    studies: dict[str, Study] = {}
    places: dict[str, str] = {}
    several: set[str] = set()
    for row in rows_of(path):
        study = reading.study(row)
        first = studies.get(study.id)
        if first is None:
            studies[study.id], places[study.id] = study, row.where
        else:
            studies[study.id] = joined(first, study, places[study.id], row.where)
            several.add(study.id)
    if not studies:
        raise DataError(f"{path} holds no study; write a row for each ('mrg data init' shows how)")
    in_order = [replace(s, views=tuple(sorted(s.views, key=view_order))) if s.id in several else s
                for s in studies.values()]  # fmt: skip
    notes = [Note("several rows a study, taken as its views", tuple(i for i in studies if i in several))]
    notes += [Note(rule, tuple(dict.fromkeys(ids))) for rule, ids in reading.notes.items()]
    if all(study.split is None for study in in_order):
        notes.append(Note("no split column, so in no split (--split-by seed deals)", tuple(studies)))
    return with_what_is_there(f"table:{path}", in_order, [note for note in notes if note.ids])


@dataclass
class Reading:
    """Rows -> studies; remembers headers that were matched, and what is worth a note."""

    path: Path
    headers: dict[tuple[str, ...], Header] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    rows: int = 0

    def study(self, row: Row) -> Study:
        self.rows += 1
        values = self.values(row)
        id_ = self.id(values, row)
        where = f"{row.where}, study {id_},"
        views = self.views(values, where, id_, row.base)
        findings, impression, indication, comparison, prior = (text(values.get(name), name, where) for name in TEXTS)
        patient = identifier(values.get("patient"), "patient", where)
        split = split_of(values.get("split"), where) or row.split
        return Study(id_, split, views, findings, impression, indication, comparison, patient,
                     labels=self.labels(values.get("labels"), where, id_), prior_report=prior)  # fmt: skip

    def values(self, row: Row) -> dict[str, Any]:
        """The row under our names; numbered columns become lists."""
        keys = tuple(row.values)
        if keys not in self.headers:
            place = str(self.path) if not self.headers else row.where
            self.headers[keys] = found = header(
                keys, place, needs_id=self.path.suffix.lower() in (".csv", ".tsv", ".jsonl")
            )
            self.notes.setdefault("column not used", []).extend(found.unused)
        found = self.headers[keys]
        values = {}
        for name, columns in found.columns.items():
            several = [row.values[column] for column in columns]
            values[name] = several if found.numbered(name) else several[0]
        return values

    def id(self, values: Mapping[str, Any], row: Row) -> str:
        if "id" in values:
            id_ = identifier(values["id"], "id", row.where)
            if not id_:
                raise DataError(f"{row.where}, has an empty id; give every study one")
            return id_
        paths = cells(values.get("images"), "images", f"{row.where},")
        if paths and isinstance(paths[0], str):
            place = row.base.relative_to(self.path) if self.path.is_dir() else Path()
            rule, id_ = "no id column, the film's path is the id", os.path.splitext(place / paths[0])[0]
        else:
            rule, id_ = "no id column, rows numbered", f"{row.split or 'row'}-{self.rows:06d}"
        self.notes.setdefault(rule, []).append(id_)
        return id_

    def views(self, values: Mapping[str, Any], where: str, id_: str, base: Path) -> tuple[View, ...]:
        images = cells(values.get("images"), "images", where)
        names = cells(values.get("projection"), "projection", where, keep_empty=True)
        if isinstance(given := values.get("images"), list):  # with holes, where image_2 is empty: keep in step
            names = [name for name, image in zip(names, given, strict=False) if image] + names[len(given) :]
        if any(names) and len(names) != len(images):
            raise DataError(f"{where} names {len(images)} images but {len(names)} projections; give one for each")
        views = []
        for image, name in zip(images, names or [None] * len(images), strict=False):
            projection = PROJECTIONS.get(str(name or "").strip().lower())
            if name and not projection:
                self.notes.setdefault("projection of another name, taken as unknown", []).append(id_)
            views.append(View(self.film(image, where, base), projection))
        return tuple(views)

    def labels(self, value: Any, where: str, id_: str) -> dict[str, int | None] | None:
        """Class numbers, as many a data set has them, name nothing: they are left out and counted."""
        if isinstance(value, int) or (isinstance(value, list) and value and all(isinstance(v, int) for v in value)):
            self.notes.setdefault("labels are numbers without names, not used", []).append(id_)
            return None
        return labels_of(value, where)

    def film(self, image: Any, where: str, base: Path) -> Path:
        if isinstance(image, Mapping):  # how Arrow stores an image: {"bytes", "path"}
            if isinstance(image.get("bytes"), bytes) and image["bytes"]:
                return film_file(films_folder(self.path), image["bytes"])
            image = image.get("path")
        if isinstance(image, bytes):
            return film_file(films_folder(self.path), image)
        if not isinstance(image, str) or "\0" in image:
            raise DataError(f"{where} must give its images as paths")
        return base / image


def joined(first: Study, other: Study, there: str, here: str) -> Study:
    """Two rows of one study as one. Raises DataError where they say different things."""
    for name in ("report", "impression", "indication", "comparison", "prior_report", "split", "patient", "labels"):
        if getattr(first, name) != getattr(other, name):
            shown = "findings" if name == "report" else name
            raise DataError(f"{here}, and {there}, have the id {first.id} but differ in {shown}; make them agree")
    views = first.views + tuple(view for view in other.views if view not in first.views)
    return replace(first, views=views)


def view_order(view: View) -> tuple[bool, bool, str]:
    """Frontal first, then lateral, then by path: rows may come in any order."""
    return view.projection != "frontal", view.projection != "lateral", str(view.path)
