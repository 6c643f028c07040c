"""The annotation files of other projects: whose a file is, by its shape, and its rows one after the other.

R2Gen, and all who took its files     {"train": [{"id", "report", "image_path": [...], "split"}], "val", "test"}
  of IU X-ray                         id "CXR1_1_IM-0001"; two films a study
  of MIMIC-CXR                        + "study_id", "subject_id"; id is the film's; one film a row
R2GenGPT                              R2Gen's files, unchanged
PromptMRG                             + "labels" (codes of 14 observations, of MIMIC-CXR 18), "clip_indices"
  of IU X-ray                         a bare list: the whole set is its test set
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError
from mrg_llm.studies.iu_xray import uid_of
from mrg_llm.studies.rows import SPLIT_NAMES
from mrg_llm.studies.study import SPLITS

CHEXBERT = (
    "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia",
    "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices", "No Finding",
)  # fmt: skip
MORE = ("Aorta Abnormal", "Bone/Spine Abnormal", "Hemidiaphragm Abnormal", "Lung Volume Abnormal")
"""PromptMRG's order of labels: CheXbert's 14, and 4 of its own in its file of MIMIC-CXR."""
CODES = {0: None, 1: 1, 2: 0, 3: -1}  # blank, positive, negative, uncertain -> ours


def parsed(annotation: Path) -> Any:
    try:
        return json.loads(annotation.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{annotation} cannot be read as JSON ({type(error).__name__}); fetch it again") from error


def shape_of(content: Any, annotation: Path) -> str:
    """Whose file it is, in words. Raises DataError where it is nobody's that we know."""
    lists = content if isinstance(content, dict) else {"": content}
    first = next((rows[0] for rows in lists.values() if isinstance(rows, list) and rows), None)
    if not isinstance(first, dict) or not {"id", "report", "image_path"} <= first.keys():
        raise DataError(
            f'{annotation} is no annotation file we know: {{"train": [{{"id", "report", "image_path"}}, ...], ...}} or '
            "a list of such objects is (R2Gen, R2GenGPT, PromptMRG)"
        )
    paths = first["image_path"]
    path = str(paths[0] if isinstance(paths, list) and paths else paths)
    mimic = "subject_id" in first or re.match(r"(files/)?p1\d/p1\d{7}/s\d+/", path)
    of = "MIMIC-CXR" if mimic else "IU X-ray" if uid_of(str(first["id"])) else "films of its own"
    if "labels" in first or "clip_indices" in first:
        return f"PromptMRG's annotation of {of}"
    return f"R2Gen's annotation of {of} (R2GenGPT uses the same)"


def annotated(content: Any, annotation: Path) -> Iterator[tuple[str | None, dict[str, Any], str]]:
    """(split, row, place) for every row."""
    lists = content if isinstance(content, dict) else {"": content}
    for name, rows in lists.items():
        if name and name not in SPLIT_NAMES:
            raise DataError(f"{annotation} has a key {name!r}, but splits are {', '.join(SPLITS)}; rename or remove it")
        if not isinstance(rows, list):
            raise DataError(f"{annotation} must hold a list of studies under {name!r}")
        for number, row in enumerate(rows):
            where = f"{annotation}, {name}[{number}]"
            if not isinstance(row, dict) or not {"id", "report", "image_path"} <= row.keys():
                raise DataError(f"{where} must be an object with id, report and image_path")
            yield SPLIT_NAMES.get(name), row, where


def labels_of(row: dict[str, Any], where: str) -> dict[str, int | None] | None:
    codes = row.get("labels")
    if codes is None:
        return None
    names = (*CHEXBERT, *MORE)
    if not isinstance(codes, list) or len(codes) not in (len(CHEXBERT), len(names)) or any(
        isinstance(code, bool) or not isinstance(code, int) or code not in CODES for code in codes
    ):  # fmt: skip
        raise DataError(
            f"{where} must have 14 or 18 labels, each 0 (blank), 1 (positive), 2 (negative) or 3 (uncertain)"
        )
    return {name: CODES[code] for name, code in zip(names, codes, strict=False)}
