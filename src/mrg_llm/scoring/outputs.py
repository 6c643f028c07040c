"""What a system wrote: `Outputs`, and the file predictions.jsonl that holds them. formats.py reads others' files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.files import write_whole

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


def write_predictions(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write predictions.jsonl, whole or not at all: a line a row with at least "id" and "prediction".

    Raises DataError on a row without them, ResourceError when the path cannot be written.
    """
    path = Path(path)
    lines = []
    for number, row in enumerate(rows, 1):
        text_of(row, "id", "id", f"row {number}")
        text_of(row, "prediction", "prediction", f"row {number}")
        lines.append(json.dumps(dict(row), ensure_ascii=False).encode("utf-8", "replace").decode("utf-8"))
    write_text(path, "\n".join(lines) + "\n" if lines else "")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all. Raises ResourceError."""
    try:
        write_whole(path, text.encode(), shared=True, mode=0o644)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}; choose another place") from error


def text_of(row: Mapping[str, Any], what: str, key: str | None, where: str) -> str:
    """The text under `key`, which is the row's id, prediction or reference; DataError says `where` it is wrong."""
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
