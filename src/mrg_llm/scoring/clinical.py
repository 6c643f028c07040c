"""A chest X-ray report -> CheXpert's 14 observations: 1 present, 0 absent, -1 uncertain, None not mentioned.

Rules, no weights and no download: mentions.py reads a sentence, the rules are tables in `rules/`, and here the mentions
become labels. The observations are those of CheXpert (Irvin et al. 2019, arXiv:1901.07031). How often the labels agree
with people's is measured, and kept in rules/quality.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.files import written_whole
from mrg_llm.scoring.mentions import mentions
from mrg_llm.scoring.rulebook import table
from mrg_llm.scoring.sentences import sentences

OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
VALUES = {"present": 1, "absent": 0, "uncertain": -1}
_STRENGTH = {None: 0, 0: 1, -1: 2, 1: 3}


@dataclass(frozen=True)
class Span:
    """One mention: characters [start, end) of the report say that `observation` has `value`; `rule` says why."""

    observation: str
    start: int
    end: int
    value: int
    rule: str


@dataclass(frozen=True)
class Labels:
    """labels: observation -> 1, 0, -1 or None, in the order of OBSERVATIONS; spans: the mentions behind them."""

    labels: dict[str, int | None]
    spans: tuple[Span, ...]


def label_report(text: str) -> Labels:
    """Label one report, cased or lower-cased and tokenised. Of several mentions the strongest wins: 1, then -1, then 0.

    No Finding is 1 when no other observation but Support Devices is 1 or -1, else None; a text without a word has no
    label at all. A finding hands its label up to its parent as rules/rollup.tsv says.
    """
    labels: dict[str, int | None] = dict.fromkeys(OBSERVATIONS)
    spans: list[Span] = []
    has_words = False
    for sentence in sentences(text):
        has_words = True
        for mention in mentions(sentence.plain):
            value = VALUES[mention.reading]
            start, end = sentence.place(mention.start, mention.end)
            spans.append(Span(mention.observation, start, end, value, mention.rule))
            _raise_to(labels, mention.observation, value)
    for row in table("rollup"):
        value_up = labels[row["observation"]]
        if value_up in [VALUES[reading] for reading in row["readings"].split()]:
            _raise_to(labels, row["parent"], value_up)
    if has_words and not any(labels[name] in (1, -1) for name in OBSERVATIONS[1:-1]):
        labels["No Finding"] = 1
    return Labels(labels, tuple(sorted(spans, key=lambda span: (span.start, span.end))))


def _raise_to(labels: dict[str, int | None], observation: str, value: int | None) -> None:
    if _STRENGTH[value] > _STRENGTH[labels[observation]]:
        labels[observation] = value


def label_reports(texts: Iterable[str]) -> np.ndarray:
    """Labels of many reports: float32 (N, 14), columns as OBSERVATIONS, "not mentioned" is NaN."""
    rows = [list(label_report(text).labels.values()) for text in texts]
    return np.array(rows, dtype=np.float32).reshape(-1, len(OBSERVATIONS))


@cache
def labeler_quality() -> dict[str, Any] | None:
    """What scripts/measure_labeler.py measured for this labeler, or None where nothing has been measured.

    {"n", "source", "rules" (hash of the tables measured), "present": {observation or "micro": {"precision", "recall",
    "f1", "support"}}, "agreement": ...}.
    """
    path = files(__package__).joinpath("rules", "quality.json")
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def label_file(in_jsonl: Path, out_jsonl: Path) -> int:
    """Label a file of {"id", "text"} lines into a file of {"id", "labels", "spans"} lines; returns how many.

    The output appears whole or not at all. DataError names the line that cannot be read, ResourceError a path that
    cannot be written.
    """
    rows = list(_read_lines(Path(in_jsonl)))
    out_jsonl = Path(out_jsonl)
    try:
        with written_whole(out_jsonl, shared=True, mode=0o600) as file:
            for identity, text in rows:
                labelled = label_report(text)
                row = {"id": identity, "labels": labelled.labels, "spans": [asdict(s) for s in labelled.spans]}
                file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise ResourceError(f"{out_jsonl} cannot be written: {error.strerror}. Choose another output.") from error
    return len(rows)


def _read_lines(path: Path) -> Iterator[tuple[Any, str]]:
    """The (id, text) of each line that is not empty."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {type(error).__name__}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not JSON; each line must be an object with id and text."
            ) from error
        if not isinstance(row, dict) or "id" not in row or not isinstance(row.get("text"), str):
            raise DataError(f'{path}, line {number}: expected an object with "id" and a text under "text".')
        yield row["id"], row["text"]
