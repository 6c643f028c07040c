"""`dicom:FOLDER`: a hospital's folder of DICOM files without reports -> `StudySet`, to write reports for.

The one place where studies are made from DICOM heads: studies/ knows no images, images/ no studies. Files are grouped
by StudyInstanceUID wherever they lie; names and places of files mean nothing. Ids are hashes, so that no prediction
carries a number of the hospital's. All studies are in "test": there is nothing to learn from.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

from mrg_llm.errors import DataError, ImageError
from mrg_llm.images.dicom import MODALITIES
from mrg_llm.images.heads import FRONTAL, Head, dicom_head, first_bytes
from mrg_llm.images.sniff import HEAD_BYTES, sniff
from mrg_llm.studies.cells import PROJECTIONS
from mrg_llm.studies.study import Note, Study, StudySet, View

SPLIT = "test"
NO_DICOM = "file that is no DICOM, passed over"
NO_FILM = "DICOM of another modality, passed over"
NO_STUDY = "DICOM without a study's number, passed over"


def read_dicom_folder(root: Path) -> StudySet:
    """The studies of a folder, by id; frontal films first, then lateral ones, then by path. No pixel is read.

    What is passed over is named by its path in notes. Raises DataError where there is no film.
    """
    films: dict[str, list[tuple[View, Head]]] = defaultdict(list)
    passed: dict[str, list[str]] = defaultdict(list)
    for path in files_below(root):
        head = head_of(path)
        if isinstance(head, str):
            passed[head].append(str(path.relative_to(root)))
        else:
            films[head.study or ""].append((View(path, projection_of(head)), head))
    if not films:
        raise DataError(f"{root} holds no DICOM file of a radiograph ({', '.join(MODALITIES)}) that names its study")
    studies = sorted((study_of(uid, found) for uid, found in films.items()), key=lambda study: study.id)
    return StudySet(f"dicom:{root}", tuple(studies), tuple(Note(rule, tuple(ids)) for rule, ids in passed.items()))


def files_below(root: Path) -> list[Path]:
    """Every plain file, in order of path; links are not followed."""
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def head_of(path: Path) -> Head | str:
    """What a film's head says, or the rule by which the file is passed over."""
    try:
        data = first_bytes(path)
        if sniff(data[:HEAD_BYTES]) != "dicom":
            return NO_DICOM
    except ImageError:
        return NO_DICOM
    head = dicom_head(data)
    if (head.modality and head.modality not in MODALITIES) or path.name.upper() == "DICOMDIR":
        return NO_FILM
    return head if head.study else NO_STUDY


def study_of(uid: str, films: list[tuple[View, Head]]) -> Study:
    views = sorted((view for view, _ in films), key=lambda v: (v.projection is None, v.projection or "", str(v.path)))
    patient = next((head.patient for _, head in films if head.patient), None)
    return Study(hashed(uid), SPLIT, tuple(views), patient=hashed(patient) if patient else None)


def projection_of(head: Head) -> str | None:
    position = head.position or ""
    return "frontal" if position in FRONTAL else PROJECTIONS.get(position.lower())


def hashed(value: str) -> str:
    """Sixteen hexadecimal digits of its SHA-256: the same study has the same id wherever it lies."""
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:16]
