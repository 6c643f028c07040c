"""One cell of a table, as any program writes it -> our value, or one sentence on what is wrong with it.

Every function takes the value, the name of its column or the place of its row (`where`, ending in a comma), and raises
DataError. No message holds the value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from mrg_llm.errors import DataError
from mrg_llm.studies.rows import SPLIT_NAMES
from mrg_llm.studies.study import SPLITS

PROJECTIONS = {
    "frontal": "frontal", "pa": "frontal", "ap": "frontal", "antero-posterior": "frontal",
    "postero-anterior": "frontal", "lateral": "lateral", "lat": "lateral", "ll": "lateral", "rl": "lateral",
    "left lateral": "lateral",
}  # fmt: skip
"""What a projection may be called; anything else is unknown, and counted."""
LABELS = {1: 1, 0: 0, -1: -1}


def cells(value: Any, name: str, where: str, keep_empty: bool = False) -> list[Any]:
    """A cell with `;`, a list, or one value -> a list."""
    if absent(value):
        return []
    if isinstance(value, str):
        value = [part.strip() for part in value.split(";")] if ";" in value else [value.strip()]
    if isinstance(value, (Mapping, bytes)):
        value = [value]
    if not isinstance(value, list) or any(isinstance(part, (int, list, bool)) for part in value):
        raise DataError(f"{where} must give {name} as a text or a list of texts")
    value = [None if absent(part) else part for part in value]
    return value if keep_empty else [part for part in value if part]


def text(value: Any, name: str, where: str) -> str | None:
    """A text without blanks around it, None for an empty one."""
    if absent(value):
        return None
    if not isinstance(value, str):
        raise DataError(f"{where} must have a text as its {name}")
    return value.encode("utf-8", "replace").decode().strip() or None  # half a character, as JSON can hold, becomes "?"


def identifier(value: Any, name: str, where: str) -> str | None:
    """A text or a whole number, as a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():  # a column of numbers with a hole in it
        return str(int(value))
    return text(value, name, f"{where}," if not where.endswith(",") else where)


def split_of(value: Any, where: str) -> str | None:
    """ "train", "val" or "test", whatever the file calls them."""
    word = (text(value, "split", where) or "").lower()
    if not word:
        return None
    if word not in SPLIT_NAMES:
        raise DataError(f"{where} has a split that is none of {', '.join(SPLITS)}; correct it or leave it empty")
    return SPLIT_NAMES[word]


def labels_of(value: Any, where: str) -> dict[str, int | None] | None:
    """ "Edema=1;Pneumothorax=0", an object (also as JSON text, also as Arrow's pairs), or a list of what is there."""
    if absent(value):
        return None
    try:
        labels = label_pairs(value)
        if all(isinstance(name, str) and name for name in labels):
            return {name: None if number is None else LABELS[number] for name, number in labels.items()}
    except (ValueError, TypeError, KeyError, RecursionError):
        pass  # no pairs, or a number that is none of ours: the same sentence
    raise DataError(f"{where} has labels that are not NAME=1, NAME=0, NAME=-1 or NAME= (separated by ;)")


def label_pairs(value: Any) -> dict[Any, Any]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = json.loads(value)
    if isinstance(value, str):
        parts = [part.rpartition("=") for part in value.split(";") if part.strip()]
        return {name.strip(): float(number) if number.strip() else None for name, _, number in parts}
    if isinstance(value, list):
        return dict(part if isinstance(part, tuple) else (part, 1) for part in value)
    return dict(value.items()) if isinstance(value, Mapping) else dict([value])


def absent(value: Any) -> bool:
    """None, NaN and blank texts: an empty cell, as any program writes it."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or (
        isinstance(value, str) and not value.strip())  # fmt: skip
