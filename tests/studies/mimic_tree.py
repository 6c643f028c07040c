"""A small MIMIC-CXR in PhysioNet's layout, out of phantom studies, with the odd cases of the real one.

Nothing in it is MIMIC-CXR's: numbers are invented, films are drawn, reports are the phantoms' and sentences of ours.
"""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from mrg_llm.studies.phantom import read_phantoms

METADATA = (
    "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns",
    "StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)  # fmt: skip
SPLIT = ("dicom_id", "study_id", "subject_id", "split")
OBSERVATIONS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture", "Lung Lesion",
    "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices",
)  # fmt: skip
CHEXPERT = ("subject_id", "study_id", *OBSERVATIONS)
TITLE = "                                 FINAL REPORT\n"
RULE = " " + "_" * 78 + "\n"


def usual(findings: str, impression: str = "No acute disease.") -> str:
    """A report as most of them are."""
    return (
        f"{TITLE} EXAMINATION:  CHEST (PA AND LAT)\n \n INDICATION:  ___ year old with cough\n \n"
        f" COMPARISON:  None.\n \n FINDINGS: \n \n {findings}\n \n IMPRESSION: \n \n {impression}\n"
    )


@dataclass
class Case:
    """One study. films: (number, ViewPosition, is it on the disk?); a film's dicom_id comes from its number."""

    patient: int
    number: int
    report: str | bytes | None
    films: tuple[tuple[int, str, bool], ...]
    date: str = "21500101"
    time: str = "101500.25"
    split: str | None = "train"
    labels: dict[str, str] | None = field(default_factory=dict)
    described: bool = True


def cases(texts: list[str]) -> dict[str, Case]:
    """The odd cases of the real set by name, with phantom reports as their findings."""
    one = ((1, "PA", True),)
    a, b, c, d = 10000032, 11000040, 12000050, 19999999
    return {
        "usual": Case(a, 50414267, usual(texts[0]), ((7, "LATERAL", True), (2, "PA", True)), labels={"Edema": "1.0",
                      "Fracture": "-1.0", "No Finding": "0.0"}),
        "frontals": Case(a, 50000001, usual(texts[1]), ((9, "LL", True), (3, "AP", True), (1, "AP", True),
                         (5, "PA", True), (4, "AP AXIAL", True)), date="21490301"),
        "no position": Case(a, 59999999, usual(texts[2]), ((1, "", True),), date="21500101", time="94500.5"),
        "empty findings": Case(a, 58000000, usual(" "), one, date="21510101"),
        "no heads": Case(b, 51000001, f"{TITLE} CHEST RADIOGRAPH\n \n {texts[3]}\n", one, split="validate"),
        "addendum": Case(b, 51000002, f"{TITLE} ADDENDUM  Dr. ___ was told: by phone.\n{RULE}{usual(texts[0])}", one,
                         split="validate", date="21600101"),
        "wet read": Case(b, 51000003, f" WET READ: ___ ___ 9:45 PM\n  Wet.\n  IMPRESSION: Wet.\n{RULE}"
                         f"{usual(texts[1])}", one, split="validate", date="21600101"),
        "crlf": Case(c, 52000001, usual(texts[2]).replace("\n", "\r\n"), one, split="test", labels=None),
        "latin": Case(c, 52000002, usual("The caf\xe9 au lait spots are not seen.").encode("latin-1"), one,
                      split="test", date="21500102"),
        "one film gone": Case(c, 52000003, usual(texts[0]), ((1, "PA", True), (2, "LATERAL", False)), split="test",
                              date="", time=""),
        "no films": Case(d, 53000001, usual(texts[0]), ((1, "PA", False),)),
        "no report": Case(d, 53000002, None, one, date="21500102"),
        "nothing in it": Case(d, 53000003, f"{TITLE} CHEST RADIOGRAPH\n", one, date="21500103"),
        "no split": Case(d, 53000004, usual(texts[1]), one, date="21500104", split=None),
        "no metadata": Case(d, 53000005, usual(texts[2]), one, described=False),
        "after all": Case(d, 53000006, usual(texts[3]), one, date="21500105"),
    }  # fmt: skip


def dicom_id(case: Case, film: int) -> str:
    return f"{film:08x}-{case.number:08x}-0a0b0c0d-01020304-deadbeef"


def rows_of(found: dict[str, Case]) -> dict[str, list[tuple]]:
    """Table -> rows, the header first."""
    tables: dict[str, list[tuple]] = {"metadata": [METADATA], "split": [SPLIT], "chexpert": [CHEXPERT]}
    for case in found.values():
        for film, position, _ in case.films:
            name = dicom_id(case, film)
            if case.described:
                tables["metadata"].append((name, case.patient, case.number, "CHEST (PA AND LAT)", position, 3056, 2544,
                                           case.date, case.time, "CHEST (PA AND LAT)", "", "Erect"))  # fmt: skip
            if case.split:
                tables["split"].append((name, case.number, case.patient, case.split))
        if case.labels is not None:
            tables["chexpert"].append((case.patient, case.number, *(case.labels.get(o, "") for o in OBSERVATIONS)))
    return tables


def write_table(folder: Path, name: str, rows: list[tuple], packed: bool = False) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path = folder / f"mimic-cxr-2.0.0-{name}.csv{'.gz' if packed else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.getvalue().encode()) if packed else text.getvalue().encode())
    return path


def write_films(folder: Path, found: dict[str, Case], phantoms: Path, suffix: str = ".jpg") -> None:
    """Phantom films as JPEG; with another suffix empty files, since no reader of studies opens them."""
    films = [view.path for study in read_phantoms(phantoms) for view in study.views]
    for number, case in enumerate(found.values()):
        for film, _, there in case.films:
            path = folder / place_of(case) / f"{dicom_id(case, film)}{suffix}"
            if there:
                path.parent.mkdir(parents=True, exist_ok=True)
                if suffix == ".jpg":
                    Image.open(films[(number + film) % len(films)]).save(path, "JPEG")
                else:
                    path.touch()


def write_reports(folder: Path, found: dict[str, Case]) -> None:
    for case in found.values():
        if case.report is not None:
            path = folder / f"{place_of(case)}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(case.report if isinstance(case.report, bytes) else case.report.encode())


def place_of(case: Case) -> str:
    return f"p{str(case.patient)[:2]}/p{case.patient}/s{case.number}"
