"""A draft -> FHIR R4B: a Bundle (collection) of DiagnosticReport (preliminary), Device, Provenance, and where the films
say whose they are, Patient and ImagingStudy.

The whole is checked by fhir.resources' models. Resources name each other by urn:uuid; the study and
the report are identified as DICOM does, by urn:oid in the system urn:dicom:uid.
"""

from __future__ import annotations

import base64
from datetime import date
from html import escape
from typing import Any

from mrg_llm.exports.dicom_modules import MANUFACTURER
from mrg_llm.exports.draft import SOFTWARE, DraftReport, software_version
from mrg_llm.exports.identity import SourceFilm, StudyIdentity, readable
from mrg_llm.exports.plain import as_text
from mrg_llm.exports.uids import as_uid, device_uuid, instance_uuid

LOINC, DCM = "http://loinc.org", "http://dicom.nema.org/resources/ontology/DCM"
HL7 = "http://terminology.hl7.org/CodeSystem/"
CHEST_FILMS = ("30745-4", "XR Chest Views")  # of any number of views; 36643-5 is of two
GENDERS = {"M": "male", "F": "female", "O": "other"}
NAME_FORM = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
NAME_FORMS = ("ABC", "IDE", "SYL")  # the three groups of a DICOM name: letters, ideograms, their sound
Resource = dict[str, Any]  # or a part of one


def as_fhir(draft: DraftReport) -> bytes:
    """The Bundle as JSON in UTF-8."""
    from fhir.resources.R4B.bundle import Bundle

    urls = {kind: f"urn:uuid:{instance_uuid(draft, kind)}" for kind in
            ("Bundle", "DiagnosticReport", "Provenance", "Patient", "ImagingStudy")}  # fmt: skip
    urls["Device"] = f"urn:uuid:{device_uuid(draft)}"
    resources = [report(draft, urls), device(draft), provenance(draft, urls)]
    if draft.study:
        resources += [patient(draft.study), imaging_study(draft.study, urls)]
    entries = [{"fullUrl": urls[made["resourceType"]], "resource": made} for made in resources]
    name = {"system": "urn:ietf:rfc:3986", "value": urls["Bundle"]}
    told = {"type": "collection", "timestamp": draft.written_at, "identifier": name, "entry": entries}
    bundle = Bundle.model_validate(told)
    return (bundle.model_dump_json(indent=1) + "\n").encode()


def report(draft: DraftReport, urls: dict[str, str]) -> Resource:
    """The conclusion is the impression, or the findings where there is none; the whole text is in presentedForm."""
    about: Resource = {}
    if draft.study:
        about = {
            "subject": {"reference": urls["Patient"]},
            "imagingStudy": [{"reference": urls["ImagingStudy"]}],
            "effectiveDateTime": fhir_date(draft.study.study_date),  # films do not say the zone of their time
        }
    words = base64.b64encode(as_text(draft)).decode()
    return {
        "resourceType": "DiagnosticReport",
        "text": narrative(draft),
        "identifier": [dicom_uid(as_uid(instance_uuid(draft, "DiagnosticReport")))],
        "status": "preliminary",
        "category": [coding(HL7 + "v2-0074", "RAD", "Radiology")],
        "code": coding(LOINC, *CHEST_FILMS),
        "issued": draft.written_at,
        "conclusion": (draft.impression or draft.shown).strip() or None,
        "presentedForm": [{"contentType": "text/plain; charset=utf-8", "data": words, "title": draft.notice}],
        **about,
    }


def narrative(draft: DraftReport) -> dict[str, str]:
    parts = [draft.notice, draft.shown, *([f"Impression: {draft.impression}"] if draft.impression else [])]
    lines = "".join(f"<p>{escape(part)}</p>" for part in parts)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{lines}</div>'}


def device(draft: DraftReport) -> Resource:
    return {
        "resourceType": "Device",
        "identifier": [dicom_uid(as_uid(device_uuid(draft)))],
        "status": "active",
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": f"{SOFTWARE} {draft.model}", "type": "model-name"}],
        "version": [{"value": software_version()}],
        "note": [{"text": draft.notice}],
    }


def provenance(draft: DraftReport, urls: dict[str, str]) -> Resource:
    """The device wrote the report, from the films."""
    author = coding(HL7 + "provenance-participant-type", "author", "Author")
    source = {"role": "source", "what": {"reference": urls["ImagingStudy"]}}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": urls["DiagnosticReport"]}],
        "recorded": draft.written_at,
        "activity": coding(HL7 + "v3-DataOperation", "CREATE", "create"),
        "agent": [{"type": author, "who": {"reference": urls["Device"]}}],
        "entity": [source] if draft.study else None,
    }


def patient(study: StudyIdentity) -> Resource:
    number = {"type": coding(HL7 + "v2-0203", "MR", "Medical record number"), "value": study.patient_id.strip()}
    if study.patient_id_issuer.strip():
        number["assigner"] = {"display": study.patient_id_issuer.strip()}
    return {
        "resourceType": "Patient",
        "identifier": [number] if study.patient_id.strip() else None,
        "name": human_names(study.patient_name) or None,
        "gender": GENDERS.get(study.sex),
        "birthDate": fhir_date(study.birth_date),
    }


def human_names(name: str) -> list[Resource]:
    """A DICOM person name as FHIR's: one a group, each saying in which script it is."""
    found = []
    for form, group in zip(NAME_FORMS, name.split("="), strict=False):
        family, given, middle, prefix, suffix, *_ = (part.strip() for part in [*group.split("^"), *[""] * 5])
        said = {"family": family, "given": [part for part in (given, middle) if part],
                "prefix": [prefix] if prefix else [], "suffix": [suffix] if suffix else []}  # fmt: skip
        if any(said.values()):
            mark = {"extension": [{"url": NAME_FORM, "valueCode": form}]} if "=" in name else {}
            found.append({member: value for member, value in said.items() if value} | mark)
    return found


def imaging_study(study: StudyIdentity, urls: dict[str, str]) -> Resource:
    identifiers: list[Resource] = [dicom_uid(study.study_uid)]
    if study.accession_number.strip():
        accession = coding(HL7 + "v2-0203", "ACSN", "Accession ID")
        identifiers.append({"type": accession, "value": study.accession_number.strip()})
    if study.study_id.strip():
        identifiers.append({"use": "secondary", "value": study.study_id.strip()})
    physician = readable(study.referring_physician).strip()
    series: dict[str, list[SourceFilm]] = {}
    for film in study.films:
        series.setdefault(film.series_uid, []).append(film)
    return {
        "resourceType": "ImagingStudy",
        "identifier": identifiers,
        "status": "available",
        "subject": {"reference": urls["Patient"]},
        "started": fhir_date(study.study_date),
        "referrer": {"display": physician} if physician else None,
        "description": study.description.strip() or None,
        "series": [series_of(uid, films) for uid, films in series.items()],
    }


def series_of(uid: str, films: list[SourceFilm]) -> Resource:
    modality = {"system": DCM, "code": films[0].modality or "OT"}  # FHIR must have one; OT is "other"
    return {"uid": uid, "modality": modality, "instance": [instance(film) for film in films]}


def instance(film: SourceFilm) -> Resource:
    kind = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{film.sop_class_uid}"}
    return {"uid": film.sop_instance_uid, "sopClass": kind}


def dicom_uid(uid: str) -> dict[str, str]:
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}


def coding(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def fhir_date(text: str) -> date | None:
    """A DICOM date, None for none and for one that no calendar has."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
