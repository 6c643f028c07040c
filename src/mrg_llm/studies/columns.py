"""The columns of a table of studies: what they are called, what is in them, and which column of a file is which.

One description for the reader (table.py), the example that `mrg data init` writes (example.py) and the manual.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mrg_llm.errors import DataError


@dataclass(frozen=True)
class Column:
    """name: what we call it. others: what else it may be called. about: a sentence for the manual."""

    name: str
    others: tuple[str, ...]
    about: str
    required: bool = False


COLUMNS = (
    Column("id", ("study_id", "study", "accession", "uid"),
           "The study's id, a text of your own. Rows with the same id are views of one study.", True),
    Column("images", ("image", "image_path", "image_paths", "path", "paths", "file", "files", "file_name", "filename",
                      "film", "films"),
           "The study's films: DICOM, PNG or JPEG, in any number, relative to the table's folder or absolute. CSV: "
           "separated by `;`. JSONL and Parquet: a list. Or one column each: `image_1`, `image_2`, ...", True),
    Column("projection", ("projections", "view", "views", "view_position", "viewposition"),
           "`frontal` (also PA, AP) or `lateral` (also LL), one for each film, written as `images` is, or "
           "`projection_1`, ...; empty where it is not known."),
    Column("findings", ("report", "text", "caption", "findings_section"), "The findings section of the report."),
    Column("impression", ("impressions", "conclusion", "impression_section"), "The impression section."),
    Column("indication", ("history", "reason", "clinical_information"), "Why the film was asked for."),
    Column("comparison", (), "What the report compares with."),
    Column("prior_report", ("prior", "previous_report", "earlier_report"),
           "What was written of the same patient the time before."),
    Column("split", ("fold", "subset"), "`train`, `val` or `test`. Leave the column out and say `--split-by seed`."),
    Column("patient", ("patient_id", "subject_id", "subject", "patientid"),
           "The patient, by any code (not a name). A patient's studies must be in one split; dealing keeps them "
           "together."),
    Column("labels", (),
           "What is known to be there: `Edema=1;Pneumothorax=0` in CSV, an object in JSONL and Parquet; 1 present, 0 "
           "absent, -1 uncertain."),
)  # fmt: skip
NAMES = {name: column.name for column in COLUMNS for name in (column.name, *column.others)}
NUMBERED = re.compile(r"(image|image_path|film|projection|view_position)_?(\d+)")
CLOSE = 0.8  # a column nearer than this to a known name is taken for a slip


@dataclass(frozen=True)
class Header:
    """Our name -> the file's columns (several only for image_1, image_2, ... and projection_1, ...), and the rest."""

    columns: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]

    def numbered(self, name: str) -> bool:
        """True for image_1, image_2, ..."""
        return any(NUMBERED.fullmatch(plain(key)) for key in self.columns.get(name, ()))


def header(keys: Iterable[str], where: str, needs_id: bool = True) -> Header:
    """Which of a file's columns is which of ours.

    Raises DataError for a column that is missing, named twice or nearly named, with the nearest name.
    """
    found: dict[str, list[str]] = {}
    unknown: list[str] = []
    for key in keys:
        if not plain(key):  # a spreadsheet's empty column
            continue
        if numbered := NUMBERED.fullmatch(plain(key)):
            found.setdefault(NAMES[numbered[1]], []).append(key)
        elif plain(key) in NAMES:
            found.setdefault(NAMES[plain(key)], []).append(key)
        else:
            unknown.append(key)
    columns = {name: chosen(name, columns, where) for name, columns in found.items()}
    used = {key for keys in columns.values() for key in keys}
    unused = [key for keys in found.values() for key in keys if key not in used]
    refuse_slips(unknown, columns, where)
    for column in COLUMNS:
        if column.required and column.name not in columns and (needs_id or column.name != "id"):
            refuse_missing(column, unknown, where)
    return Header(columns, tuple(unused + unknown))


def chosen(name: str, keys: list[str], where: str) -> tuple[str, ...]:
    """The column of that very name if it is there; else the one of another name; else the numbered ones in order."""
    exact = [key for key in keys if plain(key) == name]
    numbered = [key for key in keys if NUMBERED.fullmatch(plain(key))]
    others = [key for key in keys if key not in numbered]
    if len(exact) == 1 or len(others) == 1:
        return tuple(exact or others)
    if len(others) > 1:
        raise DataError(
            f"{where} has columns {' and '.join(map(repr, others[:2]))}, which both mean {name}; leave one out"
        )
    return tuple(sorted(numbered, key=lambda key: int(re.sub(r"\D", "", key))))


def refuse_slips(unknown: Iterable[str], columns: dict[str, tuple[str, ...]], where: str) -> None:
    for key in unknown:
        near = difflib.get_close_matches(plain(key), NAMES, n=1, cutoff=CLOSE)
        if near and NAMES[near[0]] not in (*columns, "labels"):  # "label" is a class number in many a data set
            raise DataError(f"{where} has a column {key!r}; was {near[0]!r} meant? Rename it")


def refuse_missing(column: Column, unknown: list[str], where: str) -> None:
    near = difflib.get_close_matches(column.name, unknown, n=1, cutoff=0.0)
    hint = f"; the nearest of its columns is {near[0]!r}" if near else ""
    raise DataError(f"{where} has no column {column.name!r} (also understood: {', '.join(column.others)}){hint}")


def plain(key: str) -> str:
    """ "Image Path" and "image-path" as "image_path"."""
    return re.sub(r"[\s.\-]+", "_", str(key).strip().lower())
