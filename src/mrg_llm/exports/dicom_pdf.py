"""A draft's page -> DICOM Encapsulated PDF (PS3.3 A.45.1), for archives whose viewers show no structured reports."""

from __future__ import annotations

from mrg_llm.exports.dicom_modules import code, document, file_bytes, known, reference
from mrg_llm.exports.draft import DraftReport
from mrg_llm.exports.pdf import as_pdf

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


def as_dicom_pdf(draft: DraftReport) -> bytes:
    """A DICOM file. The draft must have a study."""
    page, study = as_pdf(draft), known(draft)
    made = document(draft, ENCAPSULATED_PDF, "DOC", "Draft report by software, PDF")
    made.ConversionType = "WSD"  # made on a workstation
    made.AcquisitionDateTime = ""
    # The page names the patient where the films do.
    made.BurnedInAnnotation = "YES" if study.patient_name or study.patient_id else "NO"
    made.RecognizableVisualFeatures = "NO"
    made.SourceInstanceSequence = [reference(film) for film in study.films]
    made.DocumentTitle = f"Draft report. {draft.notice}"
    made.ConceptNameCodeSequence = [code("18748-4", "LN", "Diagnostic Imaging Report")]
    made.VerificationFlag = "UNVERIFIED"
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(page)
    made.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    return file_bytes(made)
