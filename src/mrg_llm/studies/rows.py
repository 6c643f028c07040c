"""A file or folder of rows, in whichever of its formats -> `Row`s: values under the file's own column names.

    FILE.csv .tsv      a header and rows; separated by the commonest of comma, semicolon and tab in the header
    FILE.jsonl         an object a line
    FILE.parquet       (pyarrow)
    FOLDER             a Hugging Face data set: saved with save_to_disk (datasets), Parquet shards, or an image folder
                       with metadata.csv, .jsonl or .parquet

Rows come one after the other; nothing holds a whole file of images in memory.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError

BATCH = 64  # rows of Parquet and Arrow held at once
LONGEST_CELL = 16 << 20  # characters; csv's own limit of 131,072 is less than a long list of films
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "validate": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
"""What a split may be called."""


@dataclass(frozen=True)
class Row:
    """where: for messages. base: the folder that paths are relative to. split: what the file's place says of it."""

    where: str
    values: Mapping[str, Any]
    base: Path
    split: str | None = None


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a table or of a Hugging Face folder, in order. Raises DataError."""
    if path.is_dir():
        return folder_rows(path)
    if path.suffix.lower() not in FORMATS:
        hint = "; 'mrg data import' reads other projects' annotation files" if path.suffix == ".json" else ""
        raise DataError(f"{path} is not a table: {', '.join(FORMATS)} and Hugging Face folders are{hint}")
    return FORMATS[path.suffix.lower()](path)


def csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            separator = max(",;\t", key=head.count)
            file.seek(0)
            reader = csv.DictReader(file, delimiter=separator)
            if not head.strip():
                raise DataError(f"{path} is empty; its first line must name the columns")
            twice = [name for name, n in Counter(filter(None, reader.fieldnames or ())).items() if n > 1]
            if twice:
                raise DataError(f"{path} has the column {twice[0]!r} more than once; leave one out")
            for values in reader:
                where = f"{path}, line {reader.line_num}"
                if None in values or None in values.values():
                    raise DataError(
                        f"{where}, has {'more' if None in values else 'fewer'} cells than the header; put quotes "
                        "around texts that hold the separator"
                    )
                yield Row(where, values, path.parent)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({type(error).__name__}); save it as UTF-8") from error


def jsonl_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield Row(f"{path}, line {number}", json_object(line, f"{path}, line {number}"), path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text ({type(error).__name__}); save it as UTF-8") from error


def json_object(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}, is not JSON; write one object a line") from error
    if not isinstance(values, dict):
        raise DataError(f"{where}, must be an object of columns and values")
    return values


def parquet_rows(path: Path, base: Path | None = None, split: str | None = None) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError(f"reading {path} needs pyarrow: pip install 'mrg-llm[parquet]'") from error
    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}, row {number}", values, base or path.parent, split)
    except (OSError, ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as Parquet ({type(error).__name__}); write it again") from error


FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".jsonl": jsonl_rows,
    ".parquet": parquet_rows,
}


def folder_rows(folder: Path) -> Iterator[Row]:
    """The rows of a Hugging Face data set on disk."""
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return saved_rows(folder)
    tables = sorted(path for path in folder.rglob("metadata.*") if path.suffix in FORMATS)
    shards = sorted(path for path in folder.rglob("*.parquet") if path not in tables)
    if not tables and not shards:
        raise DataError(
            f"{folder} is no Hugging Face data set: looked for dataset_dict.json or state.json (save_to_disk), "
            "*.parquet, and metadata.csv, .jsonl or .parquet beside images"
        )
    if tables:
        return (row for path in tables for row in with_split(FORMATS[path.suffix](path), place_split(path, folder)))
    return (row for path in shards for row in parquet_rows(path, folder, place_split(path, folder)))


def saved_rows(folder: Path) -> Iterator[Row]:
    """What `save_to_disk` wrote, its images as the bytes they were stored in."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"reading {folder} needs datasets: pip install 'mrg-llm[datasets]'") from error
    try:
        loaded = datasets.load_from_disk(str(folder))
        parts = loaded if isinstance(loaded, dict) else {"": loaded}
        for name, part in parts.items():
            number = 0
            for batch in part.with_format("arrow").iter(batch_size=BATCH):  # bytes and paths: no image is decoded
                for values in batch.to_pylist():
                    number += 1
                    where = f"{folder}{f', {name}' if name else ''}, row {number}"
                    yield Row(where, values, folder, SPLIT_NAMES.get(name))
    except Exception as error:  # whatever the library raises, the folder is not what save_to_disk wrote
        raise DataError(f"{folder} cannot be read by datasets ({type(error).__name__}); save it again") from error


def with_split(rows: Iterator[Row], split: str | None) -> Iterator[Row]:
    return (Row(row.where, row.values, row.base, split) for row in rows)


def place_split(path: Path, folder: Path) -> str | None:
    """ "val" of data/validation-00000-of-00001.parquet and of validation/metadata.csv."""
    parts = path.relative_to(folder).parts
    words = [*parts[:-1], re.split(r"[-_.]", parts[-1])[0]]
    return next((SPLIT_NAMES[word.lower()] for word in reversed(words) if word.lower() in SPLIT_NAMES), None)
