"""What lies in a pack, and a study as a line of its index.

PACK/films-00000.u8 ...    shards: squares (side, side) uint8 one after the other, no header
PACK/index.jsonl           one study a line, in the source's order; a view names its shard and its number in it
PACK/manifest.json         what was packed and how, counts, SHA-256 of the index and of each shard; written last
PACK/shards.jsonl          only while packing: a line for each shard that is safe on the disk
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrg_llm.errors import DataError
from mrg_llm.studies.study import Finding, InPack, Study, View

FORMAT = 1
MANIFEST, INDEX, JOURNAL = "manifest.json", "index.jsonl", "shards.jsonl"
TEXTS = ("split", "report", "impression", "indication", "comparison", "patient", "prior", "prior_report")


@dataclass(frozen=True)
class Square:
    """A decoded film: pixels (side, side) uint8, made of a film of rows x columns."""

    pixels: np.ndarray
    rows: int
    columns: int


def shard_name(number: int) -> str:
    return f"films-{number:05}.u8"


def row_of(study: Study, places: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A study as a line of the index. places: of each view {shard, film, rows, columns}, or {problem}."""
    row: dict[str, Any] = {"id": study.id} | {name: getattr(study, name) for name in TEXTS}
    row["labels"] = study.labels and dict(study.labels)
    row["truth"] = None if study.truth is None else [asdict(finding) for finding in study.truth]
    row["views"] = [
        {"path": str(view.path), "projection": view.projection, **place}
        for view, place in zip(study.views, places, strict=True)
    ]
    return {name: value for name, value in row.items() if value is not None}


def line_of(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def study_of(row: Mapping[str, Any], shards: Sequence[Path], films: Sequence[int], side_px: int, fit: str) -> Study:
    """The study of a line. shards, films: files and their counts. Raises ValueError, KeyError or TypeError."""
    for name in TEXTS:
        if not isinstance(row.get(name), str | None):
            raise TypeError
    views = []
    for view in row["views"]:
        here = None
        if "problem" not in view:
            shard, number, rows, columns = (int(view[name]) for name in ("shard", "film", "rows", "columns"))
            if not (0 <= shard < len(shards) and 0 <= number < films[shard] and rows > 0 and columns > 0):
                raise ValueError
            here = InPack(shards[shard], number, side_px, fit, rows, columns)
        views.append(View(Path(view["path"]), view["projection"], here, view.get("problem")))
    truth = None if "truth" not in row else tuple(finding_of(found) for found in row["truth"])
    labels = None if "labels" not in row else dict(row["labels"])
    return Study(str(row["id"]), views=tuple(views), truth=truth, labels=labels, **{n: row.get(n) for n in TEXTS})


def finding_of(found: Mapping[str, Any]) -> Finding:
    return Finding(**{**found, "boxes": {projection: tuple(box) for projection, box in found["boxes"].items()}})


def load_manifest(pack: Path) -> dict[str, Any]:
    """The manifest of a pack, whole or not. Raises DataError where there is none that can be read."""
    try:
        manifest = json.loads((pack / MANIFEST).read_text(encoding="utf-8"))
        known = manifest["format"]
    except FileNotFoundError:
        raise DataError(
            f"{pack} holds no {MANIFEST}: it is not a pack; make one with: mrg data pack KIND:PATH"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{pack / MANIFEST} cannot be read ({type(error).__name__}); pack the data again") from error
    if known != FORMAT:
        raise DataError(f"{pack} has format {known} and this version reads {FORMAT}; pack the data again")
    return manifest
