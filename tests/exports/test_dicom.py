"""DICOM exports, read back by pydicom and by readers that share no code with it: dcmtk and dicom3tools."""

import io
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pydicom
import pytest

from mrg_llm.errors import ImageError
from mrg_llm.exports import render
from mrg_llm.exports.identity import IDENTITY
from tests.exports.drafts import NOTICE, SENTENCES, STUDY, TAGS, draft, film, films, identity

DICOM = ("dicom-sr", "dicom-pdf")
BARE = {"PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
        "AccessionNumber", "ReferringPhysicianName", "StudyID", "StudyDescription"}  # fmt: skip


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def tool(name: str, *arguments) -> str:
    """What a Debian tool says of a file; skipped by name where it is not installed."""
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed (Debian: {'dicom3tools' if name == 'dciodvfy' else 'dcmtk'})")
    done = subprocess.run([name, *map(str, arguments)], capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


def complaints(said: str) -> list[str]:
    """dcmtk's errors and warnings, but that it does not check text in UTF-8."""
    return [line for line in said.splitlines() if line[:3] in ("E: ", "W: ", "F: ") and "ISO_IR 192" not in line]


@pytest.fixture(params=DICOM)
def file(request, tmp_path):
    path = tmp_path / f"{request.param}.dcm"
    path.write_bytes(render(draft(), request.param))
    return path


@pytest.mark.parametrize("format", DICOM)
def test_identity_is_carried_over_exactly(format):
    made = read(render(draft(), format))
    assert {keyword: str(made[keyword].value) for keyword in IDENTITY} == {
        keyword: TAGS[keyword] for keyword in IDENTITY
    }
    assert made.SpecificCharacterSet == "ISO_IR 192" and made.SeriesInstanceUID not in TAGS.values()


def test_the_sr_says_what_it_is():
    made = read(render(draft(), "dicom-sr"))
    assert made.SOPClassUID == made.file_meta.MediaStorageSOPClassUID == pydicom.uid.BasicTextSRStorage
    flags = (made.CompletionFlag, made.PreliminaryFlag, made.VerificationFlag, made.Modality)
    assert flags == ("PARTIAL", "PRELIMINARY", "UNVERIFIED", "SR")
    assert made.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    (equipment,) = made.ContributingEquipmentSequence
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Processing Equipment"
    assert equipment.ManufacturerModelName == made.ManufacturerModelName == "a-run" and made.SoftwareVersions


def test_the_srs_tree():
    made = read(render(draft(), "dicom-sr"))
    *_, comment, findings, impressions = made.ContentSequence
    assert comment.TextValue == NOTICE
    assert [i.ConceptNameCodeSequence[0].CodeValue for i in (findings, impressions)] == ["59776-5", "19005-8"]
    said = [item.TextValue for item in findings.ContentSequence if item.ValueType == "TEXT"]
    assert said == [SENTENCES[0].text, f"[uncertain] {SENTENCES[1].text}", SENTENCES[2].text]
    images = [i.ReferencedSOPSequence[0] for i in findings.ContentSequence if i.ValueType == "IMAGE"]
    assert [i.ReferencedSOPInstanceUID for i in images] == [f"{STUDY}.3", f"{STUDY}.5"]
    assert [item.TextValue for item in impressions.ContentSequence] == ["1. Effusion.", "2. Follow up."]
    observed = {i.ConceptNameCodeSequence[0].CodeMeaning: i for i in made.ContentSequence[1:6]}
    assert observed["Observer Type"].ConceptCodeSequence[0].CodeMeaning == "Device"
    assert observed["Device Observer Name"].TextValue == "mrg-llm a-run"
    assert made.ContributingEquipmentSequence[0].DeviceUID == observed["Device Observer UID"].UID


def test_no_impression_no_section():
    made = read(render(draft(impression=None), "dicom-sr"))
    assert "19005-8" not in str(made) and "59776-5" in str(made)


def test_evidence_is_grouped_by_series():
    third = film(SOPInstanceUID=f"{STUDY}.6")  # of the first film's series
    made = read(render(draft(study=identity(*films(), third)), "dicom-sr"))
    (evidence,) = made.CurrentRequestedProcedureEvidenceSequence
    grouped = {s.SeriesInstanceUID: [i.ReferencedSOPInstanceUID for i in s.ReferencedSOPSequence]
               for s in evidence.ReferencedSeriesSequence}  # fmt: skip
    assert evidence.StudyInstanceUID == STUDY
    assert grouped == {f"{STUDY}.2": [f"{STUDY}.3", f"{STUDY}.6"], f"{STUDY}.4": [f"{STUDY}.5"]}


def test_the_pdf_inside():
    made = read(render(draft(), "dicom-pdf"))
    page = made.EncapsulatedDocument[: made.EncapsulatedDocumentLength]
    assert page.startswith(b"%PDF-") and page.rstrip().endswith(b"%%EOF")
    assert made.SOPClassUID == pydicom.uid.EncapsulatedPDFStorage and made.Modality == "DOC"
    assert (made.MIMETypeOfEncapsulatedDocument, made.BurnedInAnnotation) == ("application/pdf", "YES")
    assert NOTICE in made.DocumentTitle and made.VerificationFlag == "UNVERIFIED"
    assert [i.ReferencedSOPInstanceUID for i in made.SourceInstanceSequence] == [f"{STUDY}.3", f"{STUDY}.5"]
    nameless = identity(film(PatientName=None, PatientID=None))
    assert read(render(draft(study=nameless), "dicom-pdf")).BurnedInAnnotation == "NO"


@pytest.mark.parametrize("format", DICOM)
def test_uids_are_of_the_content_alone(format):
    now = datetime(2026, 1, 31, tzinfo=UTC)
    first = draft(written_at=now)
    uid = read(render(first, format)).SOPInstanceUID
    series = read(render(first, format)).SeriesInstanceUID
    assert uid.startswith("2.25.") and uid.is_valid and len(uid) <= 64
    assert read(render(draft(written_at=now + timedelta(days=1)), format)).SOPInstanceUID == uid
    surer = tuple(replace(sentence, confidence=0.5) for sentence in SENTENCES)
    assert read(render(replace(first, sentences=surer), format)).SOPInstanceUID == uid
    others = [replace(first, findings="Clear."), replace(first, impression=None), replace(first, model="another"),
              replace(first, sentences=SENTENCES[:2]), replace(first, study=identity(film()))]  # fmt: skip
    made = [read(render(other, format)) for other in others]
    assert len({uid, *(one.SOPInstanceUID for one in made)}) == 6
    assert [one.SeriesInstanceUID == series for one in made] == [True, True, False, True, True]


@pytest.mark.parametrize("format", DICOM)
def test_films_without_identity_are_refused(format):
    with pytest.raises(ImageError, match="PNG or JPEG"):
        render(draft(study=None), format)


def test_dcmtk_reads_the_tree(tmp_path):
    path = tmp_path / "sr.dcm"
    path.write_bytes(render(draft(), "dicom-sr"))
    said = tool("dsrdump", "+Pl", "+Pc", path)
    for words in ("Basic Text SR Document", "PARTIAL", "PRELIMINARY", "UNVERIFIED", TAGS["PatientName"], NOTICE,
                  f'(121071,DCM,"Finding")="[uncertain] {SENTENCES[1].text}"', SENTENCES[2].text,
                  '(59776-5,LN,"Findings")', "IMAGE:=(CR image,)", '(121007,DCM,"Device")'):  # fmt: skip
        assert words in said
    assert said.count("IMAGE:") == 2 and complaints(said) == []


def test_dcmtk_reads_every_element(file):
    said = tool("dcmdump", file)
    assert "PatientName" in said and complaints(said) == []


def test_the_verifier_of_dicom3tools_finds_no_error(file):
    said = tool("dciodvfy", file)
    assert ("BasicTextSR" in said or "EncapsulatedPDF" in said) and "Error" not in said


def test_the_verifier_finds_none_where_the_films_say_little(tmp_path):
    silent = identity(film(**dict.fromkeys(BARE)))
    for format in DICOM:
        path = tmp_path / format
        path.write_bytes(render(draft(study=silent, impression=None, sentences=()), format))
        assert "Error" not in tool("dciodvfy", path)


def test_a_name_that_no_tag_can_hold():
    made = read(render(replace(draft(), model="a\\b\n" + "x" * 100), "dicom-sr"))
    assert made.ManufacturerModelName == "a_b_" + "x" * 60
