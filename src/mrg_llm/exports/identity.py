"""The DICOM files of one study -> whose films they are: what a report must say to find its way to patient and study.

`read_identity(["front.dcm", "lateral.dcm"])` reads the tags of IDENTITY and no other. They are carried over character
for character (only padding goes); what no such tag can hold (control characters, a date that is none) is left out. The
values are a patient's: they are in no message, log or repr.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mrg_llm.errors import ImageError
from mrg_llm.images.gathering import gather
from mrg_llm.images.heads import first_bytes, head_elements
from mrg_llm.images.sniff import HEAD_BYTES, sniff

if TYPE_CHECKING:
    import pydicom

IDENTITY_BYTES = 2**20  # of each file: private elements may lie before the study's
MAX_CHARACTERS = 1024  # names may have three groups of 64 characters; longer values are no identity
# DICOM keyword of every tag that is carried over -> the member that holds it (Patient and General Study modules)
PATIENT = {"PatientName": "patient_name", "PatientID": "patient_id", "IssuerOfPatientID": "patient_id_issuer",
           "PatientBirthDate": "birth_date", "PatientSex": "sex"}  # fmt: skip
STUDY = {"StudyInstanceUID": "study_uid", "StudyDate": "study_date", "StudyTime": "study_time",
         "AccessionNumber": "accession_number", "ReferringPhysicianName": "referring_physician",
         "StudyID": "study_id", "StudyDescription": "description"}  # fmt: skip
IDENTITY = PATIENT | STUDY
FILM = {"SeriesInstanceUID": "series_uid", "SOPClassUID": "sop_class_uid", "SOPInstanceUID": "sop_instance_uid",
        "Modality": "modality"}  # fmt: skip
UNFIT = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd\ufffe\uffff]"
)  # control characters, and what stood for damage
LEFT_BY_PYDICOM = "\x1b$)A"  # the escape sequence of ISO 2022 IR 58 (Chinese), which it decodes but does not remove
UID = r"(?=.{1,64}$)[0-9]+(\.[0-9]+)+"
FORMS = {"StudyInstanceUID": UID, "SeriesInstanceUID": UID, "SOPClassUID": UID, "SOPInstanceUID": UID,
         "PatientBirthDate": r"\d{8}", "StudyDate": r"\d{8}", "StudyTime": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?",
         "PatientSex": "[MFO]", "Modality": "[A-Z0-9_ ]{1,16}"}  # fmt: skip


@dataclass(frozen=True, repr=False)
class SourceFilm:
    """How a DICOM object refers to a film."""

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    modality: str = ""

    def __repr__(self) -> str:
        return "SourceFilm()"


@dataclass(frozen=True, repr=False)
class StudyIdentity:
    """Patient and study, as text in DICOM's own notation ("Doe^Jane", "20260131"); "" where the films do not say."""

    study_uid: str
    films: tuple[SourceFilm, ...]
    patient_name: str = ""
    patient_id: str = ""
    patient_id_issuer: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    referring_physician: str = ""
    study_id: str = ""
    description: str = ""

    def __repr__(self) -> str:
        return f"StudyIdentity({len(self.films)} films)"


def read_identity(given: Sequence[str | Path | bytes]) -> StudyIdentity | None:
    """What the films of one study (given as for a report) say of it; None where one of them is no DICOM, or does not
    name its study, series and instance, so that nobody can tell whose it is.

    Raises ImageError for what is no study's films, and where they name different patients.
    """
    films = gather(given)
    heads = [identifying(film.source) for film in films]
    if not all(head.keys() >= FILM.keys() - {"Modality"} | {"StudyInstanceUID"} for head in heads):
        return None
    for keyword in ("StudyInstanceUID", *PATIENT):
        if len({head[keyword] for head in heads if keyword in head}) > 1:
            where = ", ".join(film.name for film in films)
            raise ImageError(f"{where} differ in their {keyword}; a report is about one study of one patient")
    said = {member: next((h[k] for h in heads if k in h), "") for k, member in IDENTITY.items()}
    sources = (SourceFilm(**{member: head.get(k, "") for k, member in FILM.items()}) for head in heads)
    return StudyIdentity(films=tuple(sources), **said)


def readable(name: str) -> str:
    """A DICOM person name for people: "Doe^Jane=..." as "Doe, Jane / ..."."""
    groups = (group.split("^") for group in name.split("="))
    said = (", ".join(filter(None, (family, " ".join(filter(None, rest))))) for family, *rest in groups)
    return " / ".join(filter(None, said))


def identifying(source: Path | bytes) -> dict[str, str]:
    """DICOM keyword -> value of what a file's head says of IDENTITY and FILM. Raises ImageError where it cannot be
    read, and nothing for a damaged one."""
    data = source[:IDENTITY_BYTES] if isinstance(source, bytes) else first_bytes(source, IDENTITY_BYTES)
    if sniff(data[:HEAD_BYTES]) != "dicom":
        return {}
    keywords = (*IDENTITY, *FILM)
    try:
        dataset = head_elements(data, keywords)
    except Exception:  # pydicom raises many kinds
        return {}
    values = {keyword: value_of(dataset, keyword) for keyword in keywords}
    return {keyword: value for keyword, value in values.items() if value}


def value_of(dataset: pydicom.Dataset, keyword: str) -> str:
    """A tag's text in Unicode, "" for none and for what this tag cannot hold."""
    from pydicom.multival import MultiValue
    from pydicom.valuerep import PersonName

    try:
        value = dataset.get(keyword)
        several = value if isinstance(value, MultiValue) else [value]
        if not all(isinstance(one, str | PersonName) for one in several):
            return ""
        text = "\\".join(str(one) for one in several).replace(LEFT_BY_PYDICOM, "").rstrip("\0 ")
    except Exception:  # decoding is lazy, and raises as many kinds
        return ""
    sound = len(text) <= MAX_CHARACTERS and not UNFIT.search(text) and re.fullmatch(FORMS.get(keyword, ".*"), text)
    return text if sound else ""
