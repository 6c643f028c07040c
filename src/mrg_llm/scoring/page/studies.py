"""Scored studies -> the rows that the page's browser shows: marked text, differing findings, thumbnails."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from mrg_llm.errors import ImageError
from mrg_llm.scoring.agreement import PRESENT
from mrg_llm.scoring.clinical import OBSERVATIONS, label_report
from mrg_llm.scoring.scoreboard import ScoreBoard, StudyScore

Films = Callable[[str], Sequence[bytes]]
SHOWN = 15  # studies with films at either end
SIDE_PX = 320


def study_rows(board: ScoreBoard, films: Films | None = None) -> list[dict[str, Any]]:
    """All studies, worst first: most findings wrong, then lowest ROUGE-L."""
    ordered = sorted(board.studies, key=lambda s: (-len(wrong(s)), s.values.get("rouge_l", 0.0), s.id))
    rows = [_row(study) for study in ordered]
    if films is not None:
        best = [row for row in reversed(rows) if row["abnormal"]]
        for row in {row["id"]: row for row in (*rows[:SHOWN], *best[:SHOWN])}.values():
            row["films"] = [thumbnail(film) for film in films(row["id"])]
    return rows


def wrong(study: StudyScore) -> list[str]:
    """Observations that one of the two reports calls present and the other does not."""
    pairs = zip(OBSERVATIONS, study.predicted_labels, study.reference_labels, strict=True)
    return [name for name, ours, theirs in pairs if (ours == PRESENT) != (theirs == PRESENT)]


def thumbnail(film: bytes) -> str:
    """PNG or JPEG bytes -> a small JPEG as a data URL. Raises ImageError when the bytes are no picture."""
    try:
        with Image.open(io.BytesIO(film), formats=("PNG", "JPEG")) as image:
            small = _sixteen_to_eight(image) if image.mode.startswith("I") else image.convert("RGB")
        small.thumbnail((SIDE_PX, SIDE_PX))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError("a film for the page is neither PNG nor JPEG; give encoded bytes of one of them") from error
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _sixteen_to_eight(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float32)
    return Image.fromarray((values * (255 / max(float(values.max()), 1.0))).clip(0, 255).astype(np.uint8))


def _row(study: StudyScore) -> dict[str, Any]:
    apart = wrong(study)
    ours = {n for n, v in zip(OBSERVATIONS, study.predicted_labels, strict=True) if v == PRESENT}
    theirs = {n for n, v in zip(OBSERVATIONS, study.reference_labels, strict=True) if v == PRESENT}
    return {
        "id": study.id,
        "values": {name: round(v, 3) for name, v in study.values.items()},
        "extra": [name for name in apart if name in ours],
        "missed": [name for name in apart if name in theirs],
        "shared": [name for name in OBSERVATIONS if name in ours & theirs],
        "abnormal": "No Finding" not in theirs,
        "prediction": _marked(study.prediction, apart),
        "reference": _marked(study.reference, apart),
    }


def _marked(text: str, apart: Sequence[str]) -> list[str | tuple[str, str, bool]]:
    """Text in pieces: plain, or (piece, observation, whether the reports differ on it); present findings only."""
    pieces: list[str | tuple[str, str, bool]] = []
    at = 0
    for span in label_report(text).spans:
        if span.value != PRESENT or span.start < at or span.end <= span.start:
            continue
        if span.start > at:
            pieces.append(text[at : span.start])
        pieces.append((text[span.start : span.end], span.observation, span.observation in apart))
        at = span.end
    if at < len(text):
        pieces.append(text[at:])
    return pieces
