"""A draft -> DICOM Basic Text SR: PARTIAL, PRELIMINARY, UNVERIFIED, for an archive that holds the films.

The tree follows TID 2000 "Basic Diagnostic Imaging Report": a title, the observer (TID 1002 and 1004: a device), and a
container a section whose heading is LOINC's of CID 7001 (the DCM codes 121070 and 121072 that stood there before are
retired); its sentences are TID 2002's narrative, one TEXT each, named Finding or Impression of CID 7002. The films are
IMAGE items of the Findings, since nobody measured which sentence comes of which.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from mrg_llm.exports.dicom_modules import MANUFACTURER, code, document, file_bytes, known, model_name, reference
from mrg_llm.exports.draft import SOFTWARE, DraftReport, split_sentences
from mrg_llm.exports.identity import SourceFilm, StudyIdentity
from mrg_llm.exports.uids import as_uid, device_uuid

if TYPE_CHECKING:
    from pydicom import Dataset

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
TITLE = ("18748-4", "LN", "Diagnostic Imaging Report")
FINDINGS, IMPRESSIONS = ("59776-5", "LN", "Findings"), ("19005-8", "LN", "Impressions")
FINDING, IMPRESSION = ("121071", "DCM", "Finding"), ("121073", "DCM", "Impression")
COMMENT = ("121106", "DCM", "Comment")
LANGUAGE = ("121049", "DCM", "Language of Content Item and Descendants")
UNDETERMINED = (
    "und",
    "RFC5646",
    "Undetermined",
)  # a model writes what it was trained on, and nothing says what that was
Code = tuple[str, str, str]


def as_dicom_sr(draft: DraftReport) -> bytes:
    """A DICOM file. The draft must have a study."""
    made = document(draft, BASIC_TEXT_SR, "SR", "Draft report by software")
    made.CompletionFlag, made.CompletionFlagDescription = "PARTIAL", draft.notice[:64]
    made.PreliminaryFlag, made.VerificationFlag = "PRELIMINARY", "UNVERIFIED"
    made.ReferencedPerformedProcedureStepSequence, made.PerformedProcedureCodeSequence = [], []
    made.CurrentRequestedProcedureEvidenceSequence = [evidence(known(draft))]
    made.update(container(TITLE, contents(draft)))
    made.ContentTemplateSequence = [template("2000")]
    return file_bytes(made)


def contents(draft: DraftReport) -> list[Dataset]:
    """What hangs from the title, in the order in which it is read."""
    findings = [text(FINDING, sentence.shown) for sentence in draft.sentences]
    films = [image(film) for film in known(draft).films]
    sections = [container(FINDINGS, findings + films)]
    if draft.impression:
        sections.append(container(IMPRESSIONS, [text(IMPRESSION, line) for line in split_sentences(draft.impression)]))
    language = coded(LANGUAGE, UNDETERMINED, "HAS CONCEPT MOD")
    return [language, *observer(draft), text(COMMENT, draft.notice), *sections]


def observer(draft: DraftReport) -> list[Dataset]:
    """TID 1002 and 1004: the model is the device that observed."""
    told = {("121013", "DCM", "Device Observer Name"): f"{SOFTWARE} {draft.model}",
            ("121014", "DCM", "Device Observer Manufacturer"): MANUFACTURER,
            ("121015", "DCM", "Device Observer Model Name"): model_name(draft)}  # fmt: skip
    context = "HAS OBS CONTEXT"
    uid = item("UIDREF", ("121012", "DCM", "Device Observer UID"), context)
    uid.UID = as_uid(device_uuid(draft))
    kind = coded(("121005", "DCM", "Observer Type"), ("121007", "DCM", "Device"), context)
    return [kind, uid, *(text(concept, value, context) for concept, value in told.items())]


def evidence(study: StudyIdentity) -> Dataset:
    """The films by series, as the current requested procedure's evidence."""
    import pydicom

    found, series = pydicom.Dataset(), []
    for uid, films in groupby(sorted(study.films, key=lambda film: film.series_uid), lambda film: film.series_uid):
        one = pydicom.Dataset()
        one.ReferencedSOPSequence, one.SeriesInstanceUID = [reference(film) for film in films], uid
        series.append(one)
    found.ReferencedSeriesSequence, found.StudyInstanceUID = series, study.study_uid
    return found


def item(value_type: str, concept: Code | None, relationship: str | None) -> Dataset:
    """A content item without its value. relationship: to its parent; the title has none."""
    import pydicom

    made = pydicom.Dataset()
    if relationship:
        made.RelationshipType = relationship
    made.ValueType = value_type
    if concept:
        made.ConceptNameCodeSequence = [code(*concept)]
    return made


def container(heading: Code, items: list[Dataset]) -> Dataset:
    made = item("CONTAINER", heading, None if heading == TITLE else "CONTAINS")
    made.ContinuityOfContent, made.ContentSequence = "SEPARATE", items
    return made


def text(concept: Code, value: str, relationship: str = "CONTAINS") -> Dataset:
    made = item("TEXT", concept, relationship)
    made.TextValue = value
    return made


def coded(concept: Code, value: Code, relationship: str) -> Dataset:
    made = item("CODE", concept, relationship)
    made.ConceptCodeSequence = [code(*value)]
    return made


def image(film: SourceFilm) -> Dataset:
    made = item("IMAGE", None, "CONTAINS")
    made.ReferencedSOPSequence = [reference(film)]
    return made


def template(identifier: str) -> Dataset:
    import pydicom

    made = pydicom.Dataset()
    made.MappingResource, made.TemplateIdentifier = "DCMR", identifier
    return made
