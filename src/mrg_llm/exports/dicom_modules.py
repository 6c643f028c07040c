"""What every DICOM object that we write has in common: patient, study, series, equipment -> a data set; and its bytes.

PS3.3 C.7.1.1 Patient, C.7.2.1 General Study, C.7.5.1 General Equipment, C.12.1 SOP Common. All text is UTF-8.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from mrg_llm.exports.draft import DraftReport, software_version
from mrg_llm.exports.identity import IDENTITY, SourceFilm, StudyIdentity
from mrg_llm.exports.uids import as_uid, device_uuid, instance_uuid, series_uuid

if TYPE_CHECKING:
    from pydicom import Dataset

MANUFACTURER = "mrg-llm (open source software)"
REQUIRED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
            "ReferringPhysicianName", "StudyID")  # fmt: skip  # empty where the films do not say


def document(draft: DraftReport, sop_class: str, modality: str, series: str) -> Dataset:
    """The modules of a document about a draft's study. series: its description."""
    import pydicom

    import mrg_llm.images.dicom  # noqa: F401  silences pydicom, whose warnings quote values

    study = known(draft)
    date, time = f"{draft.written_at:%Y%m%d}", f"{draft.written_at:%H%M%S}"
    made = pydicom.Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = sop_class, as_uid(instance_uuid(draft, sop_class))
    made.InstanceCreationDate, made.InstanceCreationTime = date, time
    for keyword, member in IDENTITY.items():
        value = getattr(study, member)
        if value or keyword in REQUIRED:
            setattr(made, keyword, value)
    made.Modality, made.SeriesInstanceUID = modality, as_uid(series_uuid(draft, sop_class))
    made.SeriesNumber, made.SeriesDescription = 1, series
    made.InstanceNumber, made.ContentDate, made.ContentTime = 1, date, time  # local, as the study's time is
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, model_name(draft)
    made.SoftwareVersions = software_version()
    made.ContributingEquipmentSequence = [contribution(draft)]
    return made


def contribution(draft: DraftReport) -> Dataset:
    import pydicom

    item = pydicom.Dataset()
    item.PurposeOfReferenceCodeSequence = [code("109102", "DCM", "Processing Equipment")]
    item.Manufacturer, item.ManufacturerModelName = MANUFACTURER, model_name(draft)
    item.SoftwareVersions, item.DeviceUID = software_version(), as_uid(device_uuid(draft))
    item.ContributionDateTime = f"{draft.written_at:%Y%m%d%H%M%S%z}"
    item.ContributionDescription = draft.notice
    return item


def known(draft: DraftReport) -> StudyIdentity:
    """The draft's study; `check_study` has refused drafts without one."""
    assert draft.study is not None
    return draft.study


def code(value: str, scheme: str, meaning: str) -> Dataset:
    import pydicom

    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def reference(film: SourceFilm) -> Dataset:
    import pydicom

    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = film.sop_class_uid, film.sop_instance_uid
    return item


def model_name(draft: DraftReport) -> str:
    """The model's name as a LO can hold it."""
    return re.sub(r"[\\\x00-\x1f\x7f]", "_", draft.model)[:64]


def file_bytes(made: Dataset) -> bytes:
    """A DICOM file in explicit VR little endian."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()
