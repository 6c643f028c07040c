"""Anyone's file of written reports -> `Outputs`.

Read are: predictions.jsonl (one object a line), CSV with a header, JSON (a list of objects, or an object id -> text,
[text] or object, as R2GenGPT and ReXrank write them), and plain text with one report a line (R2Gen's res.csv and
gts.csv too) whose references are the same lines of a second file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError
from mrg_llm.scoring.outputs import NAMES, Output, Outputs, outputs, text_of


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
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: not JSON; each line must be one object") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    try:
        content = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {getattr(error, 'lineno', 1)}: not JSON") from error
    except _Twin as twin:
        raise DataError(
            f"{path}: the key {twin} comes more than once in one object; each study is scored once"
        ) from None
    if isinstance(content, list):
        yield from ((f"row {n}", row) for n, row in enumerate(content, 1))
        return
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a list of objects, or an object from id to report")
    for identity, value in content.items():
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        yield f"id {identity}", {"id": identity} | value if isinstance(value, dict) else (identity, value)


class _Twin(Exception):
    """A key that stands twice in one JSON object: Python would keep the last and say nothing."""


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twin(key)
        found[key] = value
    return found


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
    identity = text_of(row, "id", _key(row, NAMES["id"]), where)
    text_key = _key(row, _names(wanted))
    text = text_of(row, wanted, text_key, where)
    if wanted == "reference":
        return Output(identity, "", text)
    reference_key = _key(row, tuple(name for name in NAMES["reference"] if name != text_key))
    reference = None
    if reference_key is not None and row[reference_key] is not None:
        reference = text_of(row, "reference", reference_key, where)
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
