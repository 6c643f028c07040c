"""`mrg data import`: the annotation file of another project, and a folder of films -> a table that `table:` reads.

A row stays a row, since published scores count rows; `merge` makes one study of the rows that share a study_id. Reports
are taken as they are. Film paths are looked for under the folder given, under files/ in it (PhysioNet's tree), and with
another suffix (.jpg, .png, .dcm), since the same films are handed round in all three. Films that are not there are
listed in TABLE.missing.txt.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.files import write_whole
from mrg_llm.studies.annotations import annotated, labels_of, parsed, shape_of
from mrg_llm.studies.iu_xray import inside, uid_of
from mrg_llm.studies.rows import SPLIT_NAMES
from mrg_llm.studies.study import SPLITS, Note

MISSING = "film missing"
SUFFIXES = (".jpg", ".png", ".dcm", ".jpeg")


@dataclass
class Imported:
    """What became of an annotation file: its shape, counts in the order to print them, and what was not there."""

    shape: str
    counts: Counter[str] = field(default_factory=Counter)
    touched: dict[str, list[str]] = field(default_factory=dict)

    def note(self, rule: str, id_: str) -> None:
        self.touched.setdefault(rule, []).append(id_)

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(Note(rule, tuple(dict.fromkeys(ids))) for rule, ids in self.touched.items())

    def __str__(self) -> str:
        lines = [f"recognised: {self.shape}", *(f"{count:>9,}  {what}" for what, count in self.counts.items())]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def import_annotation(
    annotation: Path, images: Path, out: Path, *, merge: bool = False, split: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Imported:  # fmt: skip
    """Write `out` (.jsonl) from an annotation file and the folder its film paths are relative to; returns the counts.

    merge: rows that share a study_id become one study with all their films. split: for a file without splits. progress:
    told how many rows are done. Raises DataError for a file of another shape or without a single film in the folder,
    ResourceError where the table cannot be written.
    """
    if out.suffix != ".jsonl":
        raise DataError(f"{out} must end in .jsonl; that is the kind of table that is written")
    if split is not None and split not in SPLITS:
        raise DataError(f"--split is {split}, but must be one of {', '.join(SPLITS)}")
    if not images.is_dir():
        raise DataError(
            f"{images} is not a folder; give the folder that the film paths of {annotation} are relative to"
        )
    content = parsed(annotation)
    found = Imported(shape_of(content, annotation))
    if isinstance(content, list) and split is None:
        found.note("the file has no splits (--split test takes all as test, --split-by seed deals later)", "all rows")
    rows: dict[str, dict[str, Any]] = {}
    for number, (home, row, where) in enumerate(annotated(content, annotation), start=1):
        found.counts["rows read"] += 1
        study = study_row(row, where, home or split, images, out, found)
        key = f"s{row['study_id']}" if merge and row.get("study_id") is not None else study["id"]
        if key in rows and merge:
            add_films(rows[key], study, where)
        else:
            if key in rows:
                found.note("rows with an id that another has; -2, -3 ... were put behind it", key)
                study["id"] = key = free_id(key, rows)
            rows[key] = study | {"id": key}
        progress(number)
    kept = [row for row in rows.values() if row["images"]]
    if not kept:
        raise DataError(f"{images} holds none of the films that {annotation} names; give the folder they lie in")
    found.counts["studies written"] = len(kept)
    for name in (*SPLITS, None):
        if share := sum(row.get("split") == name for row in kept):
            found.counts[f"  in {name or 'no split'}"] = share
    found.counts["films"] = sum(len(row["images"]) for row in kept)
    write(out, "".join(json.dumps(row) + "\n" for row in kept))
    if missing := found.touched.get(MISSING):
        write(missing_list(out), "".join(f"{path}\n" for path in missing))
    return found


def missing_list(out: Path) -> Path:
    """Where the films that were not found are listed, all of them."""
    return out.with_suffix(".missing.txt")


def free_id(id_: str, taken: dict[str, Any]) -> str:
    """ "a" -> "a-2", or the next that is free."""
    return next(name for name in (f"{id_}-{n}" for n in count(2)) if name not in taken)


def study_row(
    row: dict[str, Any], where: str, split: str | None, images: Path, out: Path, found: Imported
) -> dict[str, Any]:
    """A row of the annotation as one of a table; notes what is missing."""
    id_ = str(row["id"]) if isinstance(row["id"], (str, int)) else ""
    paths = [row["image_path"]] if isinstance(row["image_path"], str) else row["image_path"]
    if not id_ or not isinstance(row["report"], str) or not isinstance(paths, list) or not all(map(inside, paths)):
        raise DataError(f"{where} must have an id, a text as its report and paths inside the image folder")
    if split and isinstance(row.get("split"), str) and SPLIT_NAMES.get(row["split"]) not in (None, split):
        found.note("rows that stand in one split's list and name another; the list counts", id_)
    films = []
    for path in paths:
        film = film_of(images, path)
        if film is None:
            found.note(MISSING, path)
        else:
            films.append(shown(film, out))
            if film.suffix != Path(path).suffix:
                found.counts["films found with another suffix"] += 1
    if not films:
        found.note("no film found, row left out", id_)
    report = row["report"].strip()
    if not report:
        found.note("empty report, row kept without one", id_)
    patient = row.get("subject_id") if row.get("subject_id") is not None else uid_of(id_)
    values = {"id": id_, "images": films, "findings": report or None, "split": split,
              "patient": None if patient is None else str(patient), "labels": labels_of(row, where)}  # fmt: skip
    return {name: value for name, value in values.items() if value is not None}


def film_of(images: Path, path: str) -> Path | None:
    """The file a path means, or None."""
    for base in (images, images / "files"):
        for name in (path, *(str(Path(path).with_suffix(suffix)) for suffix in SUFFIXES)):
            if (base / name).is_file():
                return base / name
    return None


def add_films(first: dict[str, Any], other: dict[str, Any], where: str) -> None:
    """One more row of a study. Raises DataError where it says something else."""
    for name in ("findings", "split", "patient"):
        if first.get(name) != other.get(name):
            raise DataError(f"{where} shares its study_id with a row of another {name}; import without --merge")
    first["images"] += [image for image in other["images"] if image not in first["images"]]


def shown(film: Path, out: Path) -> str:
    """Relative to the table's folder where the film lies under it, else absolute."""
    film, home = film.absolute(), out.absolute().parent
    return film.relative_to(home).as_posix() if film.is_relative_to(home) else str(film)


def write(out: Path, text: str) -> None:
    """Whole or not at all, into a folder that is made."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, text.encode("utf-8", "replace"), shared=True, mode=0o644)
    except OSError as error:
        raise ResourceError(f"{out} cannot be written ({error.strerror}); choose another place") from error
