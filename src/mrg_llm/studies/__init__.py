"""`open_studies("KIND:ROOT")`: any source of studies, read by its reader, as one `StudySet`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from mrg_llm.errors import DataError
from mrg_llm.studies.study import Finding, Note, Study, StudySet, View

__all__ = ["Finding", "Note", "Study", "StudySet", "View", "open_studies"]

READERS = {  # kind -> module:function, which takes the folder; a module of this package, or of ours where it says so
    "iu-xray": "iu_xray:read_iu_xray",
    "mimic-cxr": "mimic_cxr:read_mimic_cxr",
    "phantom": "phantom:read_phantoms",
    "table": "table:read_table",
    "dicom": "mrg_llm.dicom_folder:read_dicom_folder",
    "pack": "pack:read_pack",
}
FILES = ("table",)  # kinds whose reader takes a file as well


def open_studies(
    spec: str,
    *,
    keep_splits: bool = True,
    split_by: str | None = None,
    sections: str = "findings",
    deidentified: str = "keep",
) -> StudySet:
    """The studies of a source given as KIND:ROOT, for example "iu-xray:data/iu_xray" or "table:mine.csv".

    keep_splits: False forgets the source's split (every study's is None), for whoever deals the studies anew.
    split_by: "seed" or "seed:N" deals them by patient, whatever the source says (splits.py). sections, deidentified:
    which text a study's report is (texts.py). Raises DataError for an unknown kind, a missing folder, or a source that
    is not what its kind says.
    """
    from mrg_llm.studies.texts import with_sections, without_marks

    studies = read_studies(spec, split_by)
    if not keep_splits:
        studies = replace(studies, studies=tuple(replace(study, split=None) for study in studies))
    return without_marks(with_sections(studies, sections), deidentified)


def read_studies(spec: str, split_by: str | None = None) -> StudySet:
    """As `open_studies`, with all sections as the reader gives them: `report` holds the findings."""
    from mrg_llm.studies.splits import dealt_by

    kind, colon, root = spec.partition(":")
    if not colon or kind not in READERS:
        known = ", ".join(f"{name}:PATH" for name in READERS)
        raise DataError(f"{spec or 'nothing'} was given as data, but it must read KIND:PATH, one of {known}")
    folder = Path(root).expanduser()
    if not root or not (folder.is_dir() or (kind in FILES and folder.is_file())):
        what = "file or folder" if kind in FILES else "folder"
        raise DataError(f"{root or 'an empty path'} is not a {what}; give the {what} of the {kind} data")
    studies = reader(kind)(folder)
    return dealt_by(split_by, studies) if split_by else studies


def reader(kind: str) -> Callable[[Path], StudySet]:
    module, name = READERS[kind].split(":")
    return getattr(import_module(module if "." in module else f"mrg_llm.studies.{module}"), name)
