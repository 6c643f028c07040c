"""The other two layouts of IU X-ray: Open-i's XML files with PNGs or DICOM, and Kaggle's two tables.

Neither carries a split. R2Gen's is taken by study number where its annotation is at hand; else studies are dealt to
train, val and test by their number (7 : 1 : 2), the same on every machine but not R2Gen's, and a note says so. The
report is the findings section; which sections a run learns says a policy (texts.py), which leaves out what lacks them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from mrg_llm.errors import DataError
from mrg_llm.studies.reading import known_projection, study_of, table, with_what_is_there
from mrg_llm.studies.splits import split_for
from mrg_llm.studies.study import Note, Study, StudySet, View

SECTIONS = ("indication", "comparison", "findings", "impression")


def read_open_i(root: Path, splits: Mapping[str, str] | None = None) -> StudySet:
    """ecgen-radiology/*.xml and the pictures they name, in NLMCXR_png/ (or images/), else in NLMCXR_dcm/.

    Projections are not in it.
    """
    images = first_folder(root, ("NLMCXR_png", "images", "NLMCXR_dcm"))
    files = sorted((root / "ecgen-radiology").glob("*.xml"), key=lambda path: (len(path.stem), path.stem))
    if not files:
        raise DataError(f"{root / 'ecgen-radiology'} holds no XML files; unpack NLMCXR_reports.tgz there")
    rows = {}
    for file in files:
        uid, names, sections = parsed(file)
        rows[uid] = (tuple(View(images / file_of(name, images)) for name in names), sections)
    return dealt(f"iu-xray:{root}", rows, splits)


def read_kaggle(root: Path, splits: Mapping[str, str] | None = None) -> StudySet:
    """indiana_reports.csv, indiana_projections.csv and a folder of pictures."""
    projections = root / "indiana_projections.csv"
    if not projections.is_file():
        raise DataError(f"{root} holds indiana_reports.csv but no indiana_projections.csv; fetch it too")
    images = first_folder(root, ("images_normalized", "images/images_normalized", "images"))
    views: dict[str, list[View]] = defaultdict(list)
    for row in table(projections, ("uid", "filename", "projection")):
        name = PurePosixPath(row["filename"]).name  # a file of the folder, wherever the table points
        views[row["uid"]].append(View(images / name, known_projection(row["projection"])))
    reports = table(root / "indiana_reports.csv", ("uid", "findings"))
    return dealt(f"iu-xray:{root}", {row["uid"]: (tuple(views[row["uid"]]), row) for row in reports}, splits)


def file_of(name: str, images: Path) -> str:
    """ "CXR1_1_IM-0001-3001" is a PNG of that name, or 1/1_IM-0001-3001.dcm among the DICOM files."""
    if images.name != "NLMCXR_dcm":
        return f"{name}.png"
    folder, _, rest = name.removeprefix("CXR").partition("_")
    return f"{folder}/{rest}.dcm"


def dealt(
    source: str, rows: Mapping[str, tuple[tuple[View, ...], Mapping[str, str]]], splits: Mapping[str, str] | None
) -> StudySet:
    """Studies out of uid -> (views, sections); splits: uid -> split where that is known."""
    studies: list[Study] = []
    without: list[str] = []
    for uid, (views, sections) in rows.items():
        findings = (sections.get("findings") or "").strip()
        if findings or (sections.get("impression") or "").strip():
            split = split_for(uid) if splits is None else splits.get(uid)
            studies.append(study_of(f"CXR{uid}", split, views, findings or None, sections, uid))
        else:
            without.append(f"CXR{uid}")
    if splits is None:
        rule, touched = "split dealt by study number, not R2Gen's (put its annotation.json here)", studies
    else:
        rule, touched = "not in annotation.json, so in no split", [s for s in studies if s.split is None]
    notes = [
        Note(rule, tuple(s.id for s in touched)),
        Note("neither findings nor impression, study left out", tuple(without)),
    ]
    return with_what_is_there(source, studies, [note for note in notes if note.ids])


def parsed(file: Path) -> tuple[str, list[str], dict[str, str]]:
    """(uid, names of pictures, sections) of one Open-i file."""
    try:
        tree = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f"{file} is not an Open-i report ({type(error).__name__}); unpack it again") from error
    names = [PurePosixPath(image.get("id", "")).name for image in tree.iter("parentImage")]
    labelled = {(text.get("Label") or "").lower(): "".join(text.itertext()) for text in tree.iter("AbstractText")}
    mark = tree.find("uId")
    uid = (mark.get("id", "") if mark is not None else "").removeprefix("CXR") or file.stem
    return uid, [name for name in names if name], {name: labelled.get(name, "") for name in SECTIONS}


def first_folder(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DataError(f"{root} holds reports but no pictures: looked for {' and '.join(name + '/' for name in names)}")
