"""A folder of phantom studies: drawn and written here, and read back as a `StudySet`.

FOLDER/README                    one line: what this is
FOLDER/images/ID/frontal.png     and lateral.png, 8-bit gray
FOLDER/manifest.jsonl            one study a line: id, split, views, report, findings; written last
"""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.files import write_whole
from mrg_llm.studies.phantom.anatomy import draw_body
from mrg_llm.studies.phantom.findings import FINDINGS, draw_scene
from mrg_llm.studies.phantom.frontal import Frontal
from mrg_llm.studies.phantom.grammar import write_report
from mrg_llm.studies.phantom.lateral import Lateral
from mrg_llm.studies.reading import with_what_is_there
from mrg_llm.studies.study import SPLITS, Finding, Study, StudySet, View

MANIFEST = "manifest.jsonl"
README = "Synthetic chest films drawn by mrg-llm from a random anatomical model. No patient is in them.\n"
FILMS = {"frontal": Frontal, "lateral": Lateral}
GOLDEN = (math.sqrt(5) - 1) / 2
WORTH_PROCESSES = 100  # studies; fewer are drawn before a process has started


def write_phantoms(
    out: Path,
    studies: int,
    seed: int = 0,
    side_px: int = 256,
    splits: tuple[float, float, float] = (0.7, 0.1, 0.2),
    progress: Callable[[int, int], None] | None = None,
    processes: int = 1,
) -> Path:
    """Draw `studies` studies into the folder `out`; returns the manifest, which is written last.

    side_px: pixels a side of each film. splits: shares of train, val and test. progress: called after each study with
    (done, all). processes: how many draw; more than one needs a program that can be imported without starting work (`if
    __name__ == "__main__"`). Phantoms that are there already are drawn over. Raises DataError for a folder that holds
    something else and for numbers that make no sense, ResourceError where nothing can be written.
    """
    if studies < 1 or side_px < 32:
        raise DataError(
            f"{studies} studies of {side_px} pixels a side were asked for; ask for at least 1, and 32 pixels"
        )
    if len(splits) != 3 or min(splits) < 0 or not math.isclose(sum(splits), 1, abs_tol=1e-6):
        raise DataError(f"splits are {splits}, but must be three shares (train, val, test) that add up to 1")
    refuse_other_content(out)
    rows = []
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        (out / "README").write_text(README, encoding="utf-8")
        (out / MANIFEST).unlink(missing_ok=True)  # a folder that is being drawn must not pass for a whole one
        for index, row in enumerate(drawn(out, studies, seed, side_px, processes)):
            rows.append({**row, "split": split_of(index, splits)})
            if progress:
                progress(index + 1, studies)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        write_whole(out / MANIFEST, lines.encode(), durable=False)  # neither are the films
    except OSError as error:
        raise ResourceError(f"phantoms cannot be written to {out} ({error.strerror}); choose another folder") from error
    return out / MANIFEST


def read_phantoms(root: Path) -> StudySet:
    """The studies of a phantom folder, with their true findings; films that are missing are named in notes.

    Raises DataError for a folder without a manifest, or a line of it that is not a phantom study.
    """
    manifest = root / MANIFEST
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{root} holds no {MANIFEST} that can be read; draw phantoms with: mrg data phantom --out {root}"
        ) from error
    studies = [study_of(line, root, f"{manifest}, line {number}") for number, line in enumerate(lines, start=1)]
    if not studies:
        raise DataError(f"{manifest} is empty; draw the folder again")
    return with_what_is_there(f"phantom:{root}", studies)


def drawn(out: Path, studies: int, seed: int, side_px: int, processes: int) -> Iterator[dict[str, Any]]:
    """The lines of the manifest, in order, each after its study was drawn. A study is a function of (seed, index)
    alone, so how many processes draw changes nothing."""
    draw = partial(write_study, out, seed, side_px)
    if processes == 1 or studies < WORTH_PROCESSES:
        yield from map(draw, range(studies))
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(draw, range(studies), chunksize=8)


def write_study(out: Path, seed: int, side_px: int, index: int) -> dict[str, Any]:
    """Draw one study; returns its line of the manifest, but for the split."""
    rng = np.random.default_rng([seed, index])
    scene = draw_scene(draw_body(rng), rng)
    report = write_report(list(scene.findings.values()), rng, scene.nodule_mm)
    id_ = f"phantom-{seed}-{index:05d}"
    (out / "images" / id_).mkdir(exist_ok=True)
    views, boxes = [], {}
    for projection, kind in FILMS.items():
        film = kind(scene, side_px, rng)
        path = f"images/{id_}/{projection}.png"
        Image.fromarray(film.develop()).save(out / path, compress_level=1)
        views.append({"path": path, "projection": projection})
        boxes[projection] = film.boxes
    findings = [
        asdict(replace(finding, boxes={p: found[name] for p, found in boxes.items() if name in found}))
        for name, finding in scene.findings.items()
    ]
    return {"id": id_, "views": views, "report": report, "findings": findings}


def split_of(index: int, splits: tuple[float, float, float]) -> str:
    """Multiples of the golden ratio fill 0..1 evenly: every run of studies is dealt out in these shares."""
    place = index * GOLDEN % 1
    return SPLITS[0] if place < splits[0] else SPLITS[1] if place < splits[0] + splits[1] else SPLITS[2]


def study_of(line: str, root: Path, where: str) -> Study:
    try:
        row = json.loads(line)
        if row["split"] not in SPLITS or not isinstance(row["report"], str) or not isinstance(row["id"], str):
            raise ValueError
        truth = tuple(finding_of(found) for found in row["findings"])
        views = tuple(View(root / view["path"], view["projection"]) for view in row["views"])
        return Study(row["id"], row["split"], views, row["report"], truth=truth)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where} is not a phantom study ({type(error).__name__}); draw the folder again") from error


def finding_of(found: dict[str, Any]) -> Finding:
    if FINDINGS[found["name"]] != found["observation"]:
        raise ValueError
    boxes = {}
    for projection, (x0, y0, x1, y1) in found["boxes"].items():
        boxes[projection] = (float(x0), float(y0), float(x1), float(y1))
    return Finding(**{**found, "boxes": boxes})


def refuse_other_content(out: Path) -> None:
    """Phantoms may be drawn into an empty folder, a new one, or one that holds phantoms."""
    if not out.exists():
        return
    if not out.is_dir():
        raise DataError(f"{out} is a file; give a folder for the phantoms")
    readme = out / "README"
    ours = readme.is_file() and readme.read_bytes() == README.encode()
    if not ours and any(out.iterdir()):
        raise DataError(f"{out} holds something that is not phantoms; give an empty folder")
