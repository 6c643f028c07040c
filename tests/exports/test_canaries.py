"""A canary in every text tag of a film, public, private and nested: which of them sing in which export."""

import base64
import io
import re
import shutil
import subprocess

import pydicom
import pytest
from pydicom.datadict import DicomDictionary, dictionary_is_retired, keyword_for_tag

from mrg_llm.exports import FORMATS, DraftReport, read_identity, render
from tests.exports.drafts import NOTICE, STUDY
from tests.images.made import dicom_set, ramp, to_bytes

TEXT = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT")
CARRIED = {"PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "ReferringPhysicianName", "StudyID",
           "StudyDescription"}  # fmt: skip
GROUPS = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x0032, 0x0038, 0x0040)


def text_tags() -> list[int]:
    return [tag for tag, (vr, vm, *_) in DicomDictionary.items() if vr in TEXT and tag >> 16 in GROUPS
            and not dictionary_is_retired(tag) and keyword_for_tag(tag)]  # fmt: skip


@pytest.fixture(scope="module")
def caged():
    """A film, and keyword -> its canary."""
    names = {keyword_for_tag(tag): f"Canary{number:04d}" for number, tag in enumerate(text_tags())}
    uids = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": f"{STUDY}.2", "SOPInstanceUID": f"{STUDY}.3"}
    dataset = dicom_set(ramp(), **(names | uids))
    nested = pydicom.Dataset()
    nested.RequestedProcedureDescription = names["nested"] = "CanaryNested"
    dataset.RequestAttributesSequence = [nested]
    dataset.private_block(0x0011, "CanaryCreator", create=True).add_new(0x01, "LO", "CanaryPrivate")
    dataset.file_meta.SourceApplicationEntityTitle = "CanaryTitle"
    dataset.preamble = b"CanaryPreamble".ljust(128, b"\0")
    return to_bytes(dataset), names


def singing(data: bytes) -> set[str]:
    found = set(re.findall(rb"Canary[A-Za-z0-9]+", data))
    for coded in re.findall(rb'"data":\s*"([A-Za-z0-9+/=]+)"', data):
        found |= set(re.findall(rb"Canary[A-Za-z0-9]+", base64.b64decode(coded)))
    return {name.decode() for name in found}


def page_text(data: bytes, tmp_path) -> bytes:
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed (Debian: poppler-utils)")
    (tmp_path / "page.pdf").write_bytes(data)
    said = [subprocess.run([*tool, tmp_path / "page.pdf", *rest], capture_output=True, check=True).stdout
            for tool, rest in ((["pdftotext"], ["-"]), (["pdfinfo"], []))]  # fmt: skip
    return b" ".join(said)


@pytest.mark.parametrize("format", FORMATS)
def test_only_the_tags_of_identity_are_carried_over(format, caged, tmp_path, capfd, caplog, recwarn):
    film, canaries = caged
    assert len(canaries) > 250 and len(singing(film)) > 250
    made = render(DraftReport("Clear.", "a-run", NOTICE, study=read_identity([film])), format)
    sung = singing(made)
    if format == "dicom-pdf":
        sung |= singing(page_text(pydicom.dcmread(io.BytesIO(made)).EncapsulatedDocument, tmp_path))
    if format == "pdf":
        sung = singing(page_text(made, tmp_path))
    allowed = set() if FORMATS[format].identity == "none" else {canaries[keyword] for keyword in CARRIED}
    assert sung == allowed
    said = "".join(capfd.readouterr()) + caplog.text + " ".join(str(warning.message) for warning in recwarn)
    assert "Canary" not in said
