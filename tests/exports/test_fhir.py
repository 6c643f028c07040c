"""The FHIR Bundle, parsed again by fhir.resources, whose R4B models refuse what the standard does not have."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrg_llm.exports import render
from tests.exports.drafts import NOTICE, SENTENCES, STUDY, TAGS, draft, film, identity

Bundle = pytest.importorskip("fhir.resources.R4B.bundle").Bundle


def resources(one) -> dict:
    """Kind of resource -> the resource, as parsed again; all references must lead to one of them."""
    data = render(one, "fhir")
    bundle = Bundle.model_validate_json(data)
    assert bundle.type == "collection"
    urls = [entry.fullUrl for entry in bundle.entry]
    targets = [value for value in walk(json.loads(data)) if value in urls]
    assert len(set(urls)) == len(urls) and all(url.startswith("urn:uuid:") for url in urls)
    assert references(json.loads(data)) <= set(urls) and targets
    return {type(entry.resource).__name__: entry.resource for entry in bundle.entry}


def walk(node):
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from walk(value)
    else:
        yield node


def references(node) -> set:
    if isinstance(node, dict):
        found = {node["reference"]} if isinstance(node.get("reference"), str) else set()
        return found.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_what_is_in_the_bundle():
    found = resources(draft())
    assert set(found) == {"DiagnosticReport", "Device", "Provenance", "Patient", "ImagingStudy"}
    report = found["DiagnosticReport"]
    assert report.status == "preliminary" and report.conclusion == "1. Effusion. 2. Follow up."
    assert (report.code.coding[0].system, report.code.coding[0].code) == ("http://loinc.org", "30745-4")
    assert report.effectiveDateTime.isoformat() == "2026-01-31"
    (whole,) = [base64.b64decode(v).decode() for v in walk(json.loads(render(draft(), "fhir"))) if v[:4] == "VGhl"]
    assert NOTICE in whole and f"[uncertain] {SENTENCES[1].text}" in whole and SENTENCES[2].text in whole
    assert NOTICE in report.text.div and "&lt;b&gt;more" in report.text.div


def test_the_device_wrote_it_from_the_films():
    found = resources(draft())
    device, told = found["Device"], found["Provenance"]
    assert device.deviceName[0].name == "mrg-llm a-run" and device.version[0].value
    assert told.agent[0].type.coding[0].code == "author" and told.entity[0].role == "source"
    urls = {kind: e.fullUrl for e in Bundle.model_validate_json(render(draft(), "fhir")).entry
            for kind in [type(e.resource).__name__]}  # fmt: skip
    assert told.target[0].reference == urls["DiagnosticReport"]
    assert told.agent[0].who.reference == urls["Device"] and told.entity[0].what.reference == urls["ImagingStudy"]


def test_patient_and_study():
    found = resources(draft())
    patient, study = found["Patient"], found["ImagingStudy"]
    assert patient.identifier[0].value == "4711" and patient.identifier[0].assigner.display == "Klinik Größe"
    assert [(name.family, name.given) for name in patient.name] == [
        ("Yamada", ["Tarou"]), ("山田", ["太郎"]), ("やまだ", ["たろう"])
    ]  # fmt: skip
    assert [name.extension[0].valueCode for name in patient.name] == ["ABC", "IDE", "SYL"]
    assert (patient.gender, patient.birthDate.isoformat()) == ("male", "1959-03-07")
    said = {(i.system, i.value) for i in study.identifier}
    assert said == {("urn:dicom:uid", f"urn:oid:{STUDY}"), (None, "A77"), (None, "S1")}
    assert study.description == TAGS["StudyDescription"] and study.referrer.display == "Müller, Änne Dr."
    assert [(s.uid, [i.uid for i in s.instance]) for s in study.series] == [
        (f"{STUDY}.2", [f"{STUDY}.3"]), (f"{STUDY}.4", [f"{STUDY}.5"])
    ]  # fmt: skip
    assert study.series[0].instance[0].sopClass.code == "urn:oid:1.2.840.10008.5.1.4.1.1.1"


def test_films_without_identity():
    found = resources(draft(study=None, impression=None))
    assert set(found) == {"DiagnosticReport", "Device", "Provenance"}
    assert found["DiagnosticReport"].conclusion.count("[uncertain]") == 1


def test_a_date_that_no_calendar_has_is_left_out():
    found = resources(draft(study=identity(film(PatientBirthDate="20261399", StudyDate="00000000"))))
    assert found["Patient"].birthDate is None and found["ImagingStudy"].started is None


def test_it_is_the_same_whenever_it_is_written():
    def told(one):
        return [e.fullUrl for e in Bundle.model_validate_json(render(one, "fhir")).entry]

    assert told(draft()) == told(draft()) != told(replace(draft(), model="another"))


@settings(max_examples=60)
@given(st.text(max_size=100), st.text(min_size=1, max_size=20))
def test_any_text_makes_a_bundle(text, name):
    one = draft(sentences=())
    one = replace(one, findings=text, sentences=(), impression=None, study=replace(one.study, patient_name=name))
    assert Bundle.model_validate_json(render(one, "fhir"))
