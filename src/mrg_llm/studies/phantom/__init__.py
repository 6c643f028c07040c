"""Phantom studies: chest films drawn from an anatomical model with findings that are known, and their reports.

    FOLDER/manifest.jsonl            one study a line: id, split, views, report, findings with side, site, size, boxes
    FOLDER/images/ID/frontal.png     and lateral.png, 8 bit

A study is a function of (seed, index) and of nothing else. Nothing here is or was a patient.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.studies.phantom.body import draw_body
from mrg_llm.studies.phantom.findings import FINDINGS, draw_findings
from mrg_llm.studies.phantom.frontal import draw_frontal
from mrg_llm.studies.phantom.grammar import write_report
from mrg_llm.studies.phantom.lateral import draw_lateral
from mrg_llm.studies.study import SPLITS, Finding, Note, Study, StudySet, View

__all__ = ["FINDINGS", "read_phantoms", "write_phantoms"]

MANIFEST = "manifest.jsonl"
README = "Synthetic chest films drawn by mrg-llm from a random anatomical model. No patient is in them.\n"


def write_phantoms(
    out: Path,
    studies: int,
    seed: int = 0,
    side_px: int = 256,
    splits: tuple[float, float, float] = (0.7, 0.1, 0.2),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Draw `studies` studies into `out`; returns the manifest, which is written last.

    splits: shares of train, val and test, dealt out in that order. Raises DataError for a folder that holds something
    else, ResourceError where nothing can be written.
    """
    refuse_other_content(out)
    rows = []
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        (out / "README").write_text(README)
        for index in range(studies):
            rows.append(write_study(out, index, seed, side_px, split_of(index, studies, splits)))
            progress(index + 1, studies)
        aside = out / f".{MANIFEST}.partial"
        aside.write_text("".join(json.dumps(row) + "\n" for row in rows))
        aside.rename(out / MANIFEST)
    except OSError as error:
        raise ResourceError(f"phantoms cannot be written to {out} ({error.strerror}); choose another folder") from error
    return out / MANIFEST


def read_phantoms(root: Path) -> StudySet:
    """The studies of a phantom folder, with their true findings. Raises DataError."""
    manifest = root / MANIFEST
    if not manifest.is_file():
        raise DataError(f"{root} holds no {MANIFEST}; draw phantoms with: mrg data phantom --out {root}")
    studies, missing = [], []
    for number, line in enumerate(manifest.read_text().splitlines(), start=1):
        study = study_of(line, root, f"{manifest}, line {number}")
        present = tuple(v for v in study.views if v.path.is_file())
        if len(present) < len(study.views):
            missing.append(study.id)
        if present:
            studies.append(replace(study, views=present))
    notes = (Note("image file missing", tuple(missing)),) if missing else ()
    return StudySet(f"phantom:{root}", tuple(studies), notes)


def write_study(out: Path, index: int, seed: int, side_px: int, split: str) -> dict[str, Any]:
    """Draw one study; returns its line of the manifest."""
    rng = np.random.default_rng([seed, index])
    body, findings = draw_body(rng), draw_findings(rng)
    films = {
        "frontal": draw_frontal(body, findings, side_px, rng),
        "lateral": draw_lateral(body, findings, side_px, rng),
    }
    id_ = f"phantom-{seed}-{index:05d}"
    folder = out / "images" / id_
    folder.mkdir(parents=True, exist_ok=True)
    views = []
    for projection, (film, _) in films.items():
        Image.fromarray(film).save(folder / f"{projection}.png", compress_level=1)
        views.append({"path": f"images/{id_}/{projection}.png", "projection": projection})
    boxed = [
        replace(f, boxes={p: tuple(round(v, 4) for v in boxes[f.name]) for p, (_, boxes) in films.items() if f.name in boxes})
        for f in findings
    ]  # fmt: skip
    report = write_report(findings, rng)
    return {"id": id_, "split": split, "views": views, "report": report, "findings": [asdict(f) for f in boxed]}


def split_of(index: int, studies: int, splits: tuple[float, float, float]) -> str:
    place = (index + 0.5) / studies
    return SPLITS[0] if place < splits[0] else SPLITS[1] if place < splits[0] + splits[1] else SPLITS[2]


def study_of(line: str, root: Path, where: str) -> Study:
    try:
        row = json.loads(line)
        truth = tuple(
            Finding(**{**f, "boxes": {p: tuple(box) for p, box in f["boxes"].items()}}) for f in row["findings"]
        )
        views = tuple(View(root / v["path"], v["projection"]) for v in row["views"])
        return Study(row["id"], row["split"], views, row["report"], truth=truth)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} is not a phantom study ({type(error).__name__}: {error}); draw the folder again") from error


def refuse_other_content(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; give a folder for the phantoms")
    if out.is_dir() and any(out.iterdir()) and not (out / "README").is_file():
        raise DataError(f"{out} holds something that is not phantoms; give an empty folder")
