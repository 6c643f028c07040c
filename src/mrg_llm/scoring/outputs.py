"""Anyone's written reports -> `Outputs`; our own rows -> predictions.jsonl.

Read are: predictions.jsonl (one object a line), CSV with a header, JSON (a list of objects, or an object id -> text,
[text] or object, as R2GenGPT and ReXrank write them), and plain text with one report a line (R2Gen's res.csv and
gts.csv too) whose references are the same lines of a second file.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError, ResourceError

NAMES = {
    "id": ("id", "study_id", "study", "case_id", "image_id", "uid"),
    "prediction": ("prediction", "model_prediction", "pred", "predicted", "generated", "hypothesis", "res", "report"),
    "reference": ("reference", "ref", "gt", "gts", "ground_truth", "target", "section_findings", "findings"),
}
"""What a column may be called, the first that is there wins."""


@dataclass(frozen=True)
class Output:
    """One written report. reference: what people wrote, None where it is not known. views: films the model saw.
    ended: whether the model came to an end by itself, None where it is not said. prior: whether it was given an earlier
    study to compare with."""

    id: str
    prediction: str
    reference: str | None = None
    split: str | None = None
    views: int | None = None
    ended: bool | None = None
    prior: bool = False


@dataclass(frozen=True)
class Outputs:
    """All written reports of one system, sorted by id: no score depends on the order of a file."""

    name: str
    rows: tuple[Output, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Output]:
        return iter(self.rows)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(row.id for row in self.rows)

    @property
    def predictions(self) -> tuple[str, ...]:
        return tuple(row.prediction for row in self.rows)

    @property
    def references(self) -> tuple[str, ...]:
        """Raises DataError naming the studies that have no reference."""
        missing = [row.id for row in self.rows if row.reference is None]
        if missing:
            raise DataError(
                f"{self.name}: {len(missing)} of {len(self.rows)} studies have no reference ({_some(missing)}); "
                'put it under "reference", or give the data set (--data)'
            )
        return tuple(row.reference or "" for row in self.rows)

    def with_references(self, references: Mapping[str, str]) -> Outputs:
        """The same reports; where a row brings no reference, the one of its id in `references`."""
        return replace(
            self,
            rows=tuple(r if r.reference is not None else replace(r, reference=references.get(r.id)) for r in self.rows),
        )

    def matching(self, ids: tuple[str, ...]) -> Outputs:
        """The rows of these studies in this order. Raises DataError when a study is missing."""
        by_id = {row.id: row for row in self.rows}
        missing = [i for i in ids if i not in by_id]
        if missing:
            raise DataError(
                f"{self.name} lacks {len(missing)} of the {len(ids)} studies it is compared on ({_some(missing)})"
            )
        return replace(self, rows=tuple(by_id[i] for i in ids))


def outputs(name: str, rows: Iterable[Output]) -> Outputs:
    """Rows in any order -> Outputs. Raises DataError on an id that comes twice or when there is no row."""
    ordered = sorted(rows, key=lambda row: row.id)
    twice = sorted({a.id for a, b in pairwise(ordered) if a.id == b.id})
    if twice:
        raise DataError(f"{name}: {len(twice)} ids come more than once ({_some(twice)}); each study is scored once")
    if not ordered:
        raise DataError(f"{name} holds no report")
    return Outputs(name, tuple(ordered))


def read_outputs(path: str | Path, references: str | Path | Mapping[str, str] | None = None) -> Outputs:
    """Read a file of written reports.

    references: where the file itself has none: a mapping id -> text, a file in any of the same formats, or, for plain
    text, the file with the same lines. Raises DataError naming the file, the line and the key that is wrong.
    """
    path = Path(path)
    kind, rows = _read(path, "prediction")
    written = outputs(path.name, rows)
    if isinstance(references, (str, Path)):
        other_kind, others = _read(Path(references), "reference")
        others = list(others)
        if kind == other_kind == "lines" and len(others) != len(written):
            raise DataError(f"{path} has {len(written)} lines and {references} has {len(others)}; they must match")
        references = {row.id: row.reference or "" for row in outputs(Path(references).name, others)}
    return written.with_references(references) if references else written


def write_predictions(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write predictions.jsonl, whole or not at all: a line a row with at least "id" and "prediction".

    Raises DataError on a row without them, ResourceError when the path cannot be written.
    """
    path = Path(path)
    lines = []
    for number, row in enumerate(rows, 1):
        _text(row, "id", "id", f"row {number}")
        _text(row, "prediction", "prediction", f"row {number}")
        lines.append(json.dumps(dict(row), ensure_ascii=False).encode("utf-8", "replace").decode("utf-8"))
    write_whole(path, "\n".join(lines) + "\n" if lines else "")
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all. Raises ResourceError."""
    aside = None
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
            aside = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)
        os.replace(aside, path)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}; choose another place") from error
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)


def _read(path: Path, wanted: str) -> tuple[str, Iterable[Output]]:
    """("lines" or "rows", the rows); `wanted` is the text a row must have: prediction or reference."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DataError(f"{path} cannot be read: {reason}") from error
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return "rows", [_row(row, wanted, f"{path}, line {n}") for n, row in _json_lines(path, text)]
    if suffix == ".json":
        return "rows", [_row(row, wanted, f"{path}, {where}") for where, row in _json_rows(path, text)]
    if suffix in (".csv", ".tsv") and _has_header(text, suffix, wanted):
        return "rows", [_row(row, wanted, f"{path}, line {n}") for n, row in _table(path, text, suffix)]
    if suffix in (".txt", ".csv", ".tsv", ""):
        lines = text.removesuffix("\n").split("\n")
        return "lines", [_row({"id": f"{n:06d}", wanted: line}, wanted, "") for n, line in enumerate(lines, 1)]
    raise DataError(f"{path}: reports are read from .jsonl, .json, .csv, .tsv and .txt, not from '{suffix}'")


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {number}: not JSON; each line must be one object") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON") from error
    if isinstance(content, list):
        yield from ((f"row {n}", row) for n, row in enumerate(content, 1))
        return
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a list of objects, or an object from id to report")
    for identity, value in content.items():
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        yield f"id {identity}", {"id": identity} | value if isinstance(value, dict) else (identity, value)


def _table(path: Path, text: str, suffix: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines(keepends=True), delimiter="\t" if suffix == ".tsv" else ",", strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{path}, line {reader.line_num}: the row and the header differ in length")
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not CSV ({error})") from error


def _has_header(text: str, suffix: str, wanted: str) -> bool:
    first = text.split("\n", 1)[0].strip().split("\t" if suffix == ".tsv" else ",")
    columns = {column.strip().strip('"') for column in first}
    return bool(columns & set(NAMES["id"])) and bool(columns & set(_names(wanted)))


def _names(wanted: str) -> tuple[str, ...]:
    """A file that holds references alone may call them 'report' or even 'prediction'-like names."""
    return NAMES[wanted] if wanted == "prediction" else (*NAMES["reference"], "report", "text")


def _row(row: Any, wanted: str, where: str) -> Output:
    if isinstance(row, tuple):
        row = {"id": row[0], wanted: row[1]}
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: expected an object with an id and a {wanted}")
    identity = _text(row, "id", _key(row, NAMES["id"]), where)
    text_key = _key(row, _names(wanted))
    text = _text(row, wanted, text_key, where)
    if wanted == "reference":
        return Output(identity, "", text)
    reference_key = _key(row, tuple(name for name in NAMES["reference"] if name != text_key))
    reference = None
    if reference_key is not None and row[reference_key] is not None:
        reference = _text(row, "reference", reference_key, where)
    views = row.get("views")
    return Output(
        identity,
        text,
        reference,
        split=row["split"] if isinstance(row.get("split"), str) else None,
        views=len(views) if isinstance(views, list) else views if isinstance(views, int) else None,
        ended=row["ended"] if isinstance(row.get("ended"), bool) else None,
        prior=row.get("prior") is True,
    )


def _key(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in row), None)


def _text(row: Mapping[str, Any], what: str, key: str | None, where: str) -> str:
    if key is None or key not in row:
        raise DataError(f'{where}: there is no "{what}" (names that are understood: {", ".join(NAMES[what])})')
    value = row[key]
    if what == "id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise DataError(f'{where}: "{key}" must be a text, not {type(value).__name__}; an empty report is ""')
    if what == "id" and not value:
        raise DataError(f'{where}: "{key}" is empty; every study needs an id')
    return value.encode("utf-8", "replace").decode("utf-8")  # JSON can spell half characters that UTF-8 cannot


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
