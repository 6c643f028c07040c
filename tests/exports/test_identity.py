"""Whose films they are, from the heads of their files."""

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrg_llm.errors import ImageError
from mrg_llm.exports import read_identity, render
from mrg_llm.exports.identity import FILM, FORMS, IDENTITY, UNFIT, identifying, readable
from tests.exports.drafts import STUDY, TAGS, draft, film, films, identity
from tests.fuzz.test_images import mutated
from tests.images.made import png, ramp

ROMAN, KANJI, KANA = "Yamada^Tarou", "山田^太郎", "やまだ^たろう"
NAMES = {  # the bytes are those of PS3.5, annexes H to K, where it has an example
    "ISO_IR 6": (b"Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Adams^John Robert Quincy^^Rev.^B.A. M.Div."),
    "ISO_IR 100": (b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    "ISO_IR 101": (b"Wa\xb3\xeasa^\xa3ukasz", "Wałęsa^Łukasz"),
    "ISO_IR 144": (b"\xbb\xee\xda\x63\x65\xdc\xd1\x79\x70\xd3", "Люкceмбypг"),
    "ISO_IR 126": (b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    "ISO_IR 192": ("Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
    "GB18030": (b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
    "GBK": (b"Cheng^Cheng=\xd5\x5c^\x81\x5c", "Cheng^Cheng=誠^乗"),  # characters that end with a backslash's byte
    "\\ISO 2022 IR 87": (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
                         f"{ROMAN}={KANJI}={KANA}"),
    "ISO 2022 IR 13\\ISO 2022 IR 87": (b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J="
                                       b"\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J", f"ﾔﾏﾀﾞ^ﾀﾛｳ={KANJI}={KANA}"),
    "\\ISO 2022 IR 149": (b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7="
                          b"\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf", "Hong^Gildong=洪^吉洞=홍^길동"),
    "\\ISO 2022 IR 58": (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东"),
}  # fmt: skip


@pytest.mark.parametrize("charset", NAMES)
def test_names_are_read_in_every_character_set_and_written_in_utf8(charset):
    name, expected = NAMES[charset]
    plain = {"IssuerOfPatientID": "I", "ReferringPhysicianName": "R", "StudyDescription": "D"}
    holder = "X" * (len(name) + len(name) % 2)
    data = film(**plain, SpecificCharacterSet=charset.split("\\"), PatientName=holder)
    found = identity(data.replace(holder.encode(), name.ljust(len(holder))))
    assert found.patient_name == expected
    written = pydicom.dcmread(io.BytesIO(render(draft(study=found), "dicom-sr")))
    assert written.SpecificCharacterSet == "ISO_IR 192"
    assert written.get_item("PatientName").value.rstrip() == expected.encode()


def test_every_tag_is_carried_over_and_films_are_named():
    found = identity()
    assert {k: getattr(found, member) for k, member in IDENTITY.items()} == {k: TAGS[k] for k in IDENTITY}
    assert [film.sop_instance_uid for film in found.films] == [f"{STUDY}.3", f"{STUDY}.5"]
    assert {film.modality for film in found.films} == {"DX"}
    assert "4711" not in repr(found) + repr(found.films) and STUDY not in repr(found) + repr(found.films)


@pytest.mark.parametrize("syntax", [pydicom.uid.ImplicitVRLittleEndian, pydicom.uid.ExplicitVRBigEndian,
                                    pydicom.uid.DeflatedExplicitVRLittleEndian])  # fmt: skip
def test_every_syntax(syntax):
    assert identity(film(syntax=syntax)) == identity(film())


def test_padding_goes_and_what_no_such_tag_can_hold():
    found = identity(film(PatientID="4711  ", PatientBirthDate="31.1.2026", PatientSex="male", StudyTime="10:15",
                          StudyID="a\x07b", AccessionNumber="9" * 2000, StudyDescription="chest\\pa"))  # fmt: skip
    assert (found.patient_id, found.birth_date, found.sex, found.study_time) == ("4711", "", "", "")
    assert (found.study_id, found.accession_number, found.description) == ("", "", "chest\\pa")


def test_private_elements_before_the_study_do_not_hide_it():
    dataset = pydicom.dcmread(io.BytesIO(film()))
    dataset.private_block(0x0019, "SOMEBODY", create=True).add_new(0x01, "OB", b"\0" * 200_000)
    file = io.BytesIO()
    dataset.save_as(file)
    assert identity(file.getvalue()) == identity(film())


@pytest.mark.parametrize("lacking", ["StudyInstanceUID", *sorted(set(FILM) - {"Modality"})])
def test_a_film_that_cannot_be_referred_to_has_no_identity(lacking):
    assert read_identity([film(**{lacking: None})]) is None
    assert read_identity([film(**{lacking: "no uid"})]) is None


def test_one_film_without_identity_costs_all_theirs():
    assert read_identity([film(), png(ramp(8).astype(np.uint8))]) is None


def test_films_of_two_patients_are_refused_without_saying_which():
    with pytest.raises(ImageError, match="PatientID") as refusal:
        read_identity([film(), film(PatientID="4712", SOPInstanceUID=f"{STUDY}.9")])
    assert "471" not in str(refusal.value)


def test_one_film_may_be_silent():
    assert identity(film(PatientName=None), film(SOPInstanceUID=f"{STUDY}.9")).patient_name == TAGS["PatientName"]


def test_damaged_heads_raise_nothing_but_ours_and_what_is_read_can_be_written(recwarn, caplog):
    """A thousand mutants; whatever identity they still have, every format can hold."""
    seeds = [film(), film(SpecificCharacterSet=["", "ISO 2022 IR 87"], IssuerOfPatientID="I", StudyDescription="D",
                          ReferringPhysicianName="R"), film(syntax=pydicom.uid.ImplicitVRLittleEndian),
             film(syntax=pydicom.uid.DeflatedExplicitVRLittleEndian)]  # fmt: skip
    seeds = [seed[:900] for seed in seeds]  # damage belongs into the head
    outcomes = {"read": 0, "none": 0, "refused": 0}
    for number in range(1000):
        rng = np.random.default_rng([7, number])
        try:
            found = read_identity([mutated(seeds[number % 4], seeds[rng.integers(4)], rng)])
        except ImageError as error:
            assert "Yamada" not in str(error) and "4711" not in str(error)
            outcomes["refused"] += 1
            continue
        outcomes["read" if found else "none"] += 1
        if found and number % 4 == 0:
            for format in ("dicom-sr", "fhir"):
                render(draft(study=found), format)
    assert min(outcomes.values()) > 20, outcomes
    assert "Yamada" not in caplog.text and not any("Yamada" in str(warning.message) for warning in recwarn)


FREE = [member for keyword, member in IDENTITY.items() if keyword not in FORMS]
# What reading gives: padding is gone, and so are empty groups at the end of a name ("Doe^Jane=").
TEXTS = st.text(max_size=60).map(lambda text: UNFIT.sub("", text).rstrip("\0 ="))


@settings(max_examples=60)
@given(st.fixed_dictionaries(dict.fromkeys(FREE, TEXTS)))
def test_what_a_format_of_dicom_carries_over_is_read_again_as_it_was(told):
    study = replace(identity(), **told)
    again = identifying(render(draft(study=study), "dicom-sr"))
    assert {member: again.get(keyword, "") for keyword, member in IDENTITY.items() if member in FREE} == told


def test_names_for_people():
    assert readable("Doe^Jane^M.^Dr.") == "Doe, Jane M. Dr." and readable("Doe") == "Doe" and readable("") == ""
    assert readable(TAGS["PatientName"]) == "Yamada, Tarou / 山田, 太郎 / やまだ, たろう"


def test_the_films_are_those_of_the_report(tmp_path):
    for number, data in enumerate(films()):
        (tmp_path / f"{number}.dcm").write_bytes(data)
    assert read_identity([tmp_path]) == identity()
