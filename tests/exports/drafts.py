"""A study of two films with identity in every tag that is carried over, and a draft of it."""

from __future__ import annotations

from mrg_llm.exports import DraftReport, Sentence, StudyIdentity, read_identity
from tests.images.made import dicom, ramp

NOTICE = "Draft by software. Research use only, not a medical device."
STUDY = "1.2.826.0.1.3680043.8.498.1"
TAGS = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "PatientID": "4711",
    "IssuerOfPatientID": "Klinik Größe",
    "PatientBirthDate": "19590307",
    "PatientSex": "M",
    "StudyInstanceUID": STUDY,
    "StudyDate": "20260131",
    "StudyTime": "101530.25",
    "AccessionNumber": "A77",
    "ReferringPhysicianName": "Müller^Änne^^Dr.",
    "StudyID": "S1",
    "StudyDescription": "Thorax in zwei Ebenen",
    "SeriesInstanceUID": f"{STUDY}.2",
    "SOPInstanceUID": f"{STUDY}.3",
}
SENTENCES = (
    Sentence("The heart is normal in size.", 0.97),
    Sentence("There is a small effusion & <b>more</b>.", 0.41, marked=True),
    Sentence("Größe, α and Я."),
)


def film(**tags) -> bytes:
    return dicom(ramp(), **(TAGS | tags))


def films() -> list[bytes]:
    """A frontal and a lateral, each a series."""
    return [film(), film(SeriesInstanceUID=f"{STUDY}.4", SOPInstanceUID=f"{STUDY}.5")]


def identity(*given: bytes) -> StudyIdentity:
    found = read_identity(given or films())
    assert found is not None
    return found


def draft(**members) -> DraftReport:
    text = " ".join(sentence.text for sentence in SENTENCES)
    told = {"impression": "1. Effusion. 2. Follow up.", "sentences": SENTENCES, "study": identity()} | members
    return DraftReport(text, "a-run", NOTICE, **told)
