"""IU X-ray (Open-i, Indiana University) on disk -> `StudySet`, in whichever of its three layouts it was fetched.

    ROOT/annotation.json, images/                        R2Gen's, with the split that papers report on
    ROOT/ecgen-radiology/*.xml, NLMCXR_png/              Open-i's own     (see indiana.py)
    ROOT/indiana_reports.csv, indiana_projections.csv    Kaggle's         (see indiana.py)

R2Gen's annotation.json may lie beside the other two as well: its split is then taken by study number. Beside R2Gen's
layout, views.csv (study, index, split, projection) and reports.csv (study, indication, comparison, impression) are used
where they are there. The same folder gives the same studies in the same order.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mrg_llm.errors import DataError
from mrg_llm.studies.indiana import read_kaggle, read_open_i
from mrg_llm.studies.reading import known_projection, study_of, table, with_what_is_there
from mrg_llm.studies.study import SPLITS, StudySet, View

KEYS = ("id", "report", "image_path")  # of a study in annotation.json; others may stand beside them


def read_iu_xray(root: Path) -> StudySet:
    """The studies of an IU X-ray folder. Study.patient is the collection's number (uid): it names no patients.

    Raises DataError for a folder without a known layout and for an annotation that contradicts itself.
    """
    annotation = root / "annotation.json"
    if (root / "indiana_reports.csv").is_file():
        return read_kaggle(root, known_splits(annotation))
    if (root / "ecgen-radiology").is_dir():
        return read_open_i(root, known_splits(annotation))
    if annotation.is_file():
        return read_r2gen(root)
    raise DataError(
        f"{root} holds no IU X-ray: looked for annotation.json with images/, ecgen-radiology/ with NLMCXR_png/, and "
        "indiana_reports.csv with indiana_projections.csv; give the folder that holds one of them"
    )


def read_r2gen(root: Path) -> StudySet:
    """R2Gen's layout: {"train": [{"id", "report", "image_path": [...]}, ...], "val": ..., "test": ...} and images/."""
    annotation, images = root / "annotation.json", root / "images"
    if not images.is_dir():
        raise DataError(f"{root} holds annotation.json but no folder images/; put the pictures it names there")
    rows = list(annotated_studies(annotation))
    refuse_repeated_ids(annotation, rows)
    projections = {
        (row["study"], row["index"]): row["projection"]
        for row in beside(root / "views.csv", ("study", "index", "projection"))
    }
    sections = {row["study"]: row for row in beside(root / "reports.csv", ("study",))}
    studies = []
    for split, row in rows:
        views = tuple(
            View(images / path, known_projection(projections.get((row["id"], PurePosixPath(path).stem))))
            for path in row["image_path"]
        )
        text = sections.get(row["id"], {})
        studies.append(study_of(row["id"], split, views, row["report"], text, uid_of(row["id"])))
    return with_what_is_there(f"iu-xray:{root}", studies)


def known_splits(annotation: Path) -> dict[str, str] | None:
    """uid -> split of an annotation that lies beside another layout; None where there is none."""
    if not annotation.is_file():
        return None
    rows = list(annotated_studies(annotation))
    refuse_repeated_ids(annotation, rows)
    return {uid: split for split, row in rows if (uid := uid_of(row["id"]))}


def annotated_studies(annotation: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(split, study) for every study of annotation.json, each checked."""
    try:
        content = json.loads(annotation.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{annotation} cannot be read as JSON ({type(error).__name__}); fetch it again") from error
    if not isinstance(content, dict) or not content:
        raise DataError(f"{annotation} must be an object of lists of studies, under {', '.join(SPLITS)}")
    for split, rows in content.items():
        if split not in SPLITS:
            near = difflib.get_close_matches(split, SPLITS, n=1, cutoff=0.0)[0]
            raise DataError(f"{annotation} has a key {split!r}, but splits are {', '.join(SPLITS)}; was {near} meant?")
        if not isinstance(rows, list):
            raise DataError(f"{annotation} must hold a list of studies under {split!r}")
        for number, row in enumerate(rows):
            yield split, checked(row, split, f"{annotation}, {split}[{number}]")


def checked(row: Any, split: str, where: str) -> dict[str, Any]:
    """A study of the annotation, or one sentence on what is wrong with it."""
    if not isinstance(row, dict):
        raise DataError(f"{where} must be an object with {', '.join(KEYS)}")
    missing = [key for key in KEYS if key not in row]
    if missing:
        raise DataError(f"{where} has no key {missing[0]!r}; it has {', '.join(row)} and needs {', '.join(KEYS)}")
    if not isinstance(row["id"], str) or not row["id"]:
        raise DataError(f"{where} must have a text as its id")
    if not isinstance(row["report"], str) or not row["report"].strip():
        raise DataError(f"{where}, study {row['id']}, has an empty report; give it one or remove the study")
    if row.get("split", split) != split:
        raise DataError(f"{where}, study {row['id']}, stands under {split!r} but says it belongs to another split")
    paths = row["image_path"]
    if not isinstance(paths, list) or not paths or not all(inside(path) for path in paths):
        raise DataError(f"{where}, study {row['id']}, must list its pictures as paths inside images/")
    return row


def inside(path: Any) -> bool:
    return isinstance(path, str) and bool(path) and not path.startswith("/") and ".." not in PurePosixPath(path).parts


def refuse_repeated_ids(annotation: Path, rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    home: dict[str, str] = {}
    for split, row in rows:
        first = home.get(row["id"])
        if first == split:
            raise DataError(f"{annotation} has study {row['id']} twice in {split}; remove one of them")
        if first:
            raise DataError(f"{annotation} has study {row['id']} in {first} and in {split}; a study has one split")
        home[row["id"]] = split


def uid_of(id_: str) -> str | None:
    """ "2384" of "CXR2384_IM-0942"."""
    found = re.match(r"CXR(\d+)(_|$)", id_)
    return found[1] if found else None


def beside(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table that may be absent."""
    return table(path, columns) if path.is_file() else []
