"""Free-text reports -> sections: heads of every kind, what stands aside, and what no text may do."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrg_llm.studies.sections import HEADS, sectioned

TITLE = "                                 FINAL REPORT\n"


def report(*lines):
    return TITLE + "".join(f" {line}\n" for line in lines)


def test_the_usual_report():
    text = report(
        "EXAMINATION:  CHEST (PA AND LAT)", "", "INDICATION:  ___F with fever  // pneumonia?", "",
        "TECHNIQUE:  Two views", "", "COMPARISON:  None.", "", "FINDINGS: ", "", "The heart is normal.  The",
        "lungs are clear: no edema.", "", "No effusion.", "", "IMPRESSION: ", "", "No acute disease.", "",
        "NOTIFICATION:  Told by phone at 9:30.",
    )  # fmt: skip
    assert sectioned(text) == {
        "examination": "CHEST (PA AND LAT)",
        "indication": "___F with fever // pneumonia?",
        "technique": "Two views",
        "comparison": "None.",
        "findings": "The heart is normal. The lungs are clear: no edema. No effusion.",
        "impression": "No acute disease.",
    }
    assert sectioned(text.replace("\n", "\r\n")) == sectioned(text) == sectioned(text.replace("\n", "\r"))


@pytest.mark.parametrize(
    ("head", "section"),
    [
        *((name.upper(), section) for section, names in HEADS.items() for name in names),
        ("CLINICAL INFORMATION", "indication"),
        ("PERTINENT HISTORY", "indication"),
        ("COMPARISON TO PRIOR FILMS", "comparison"),
        ("FINDINGS IN DETAIL", "findings"),
        ("CHEST, PA AND LATERAL", "findings"),
        ("PORTABLE AP", "findings"),
        ("FINDNGS", "findings"),
        ("IMPRESSOIN", "impression"),
        ("NDICATION", "indication"),
        ("COMPARISION", "comparison"),
        ("FINDINGS  AND   IMPRESSION", "impression"),
    ],
)
def test_heads(head, section):
    found = sectioned(report(f"{head}:  Here it is.", "", "RECOMMENDATION(S):  Come again."))
    assert found == {section: "Here it is."}


@pytest.mark.parametrize(
    "line",
    [
        "Seen at 9:45 PM.", "the lungs: clear", "___: x", "12:30", "T4: x", "IMPRESSIONABLE patient", "NG:tube",
        "A" * 90 + ": x", "DEPRESSION of the diaphragm.", ":", "FINDINGS are as follows.",
    ],
)  # fmt: skip
def test_what_is_no_head(line):
    assert sectioned(report("FINDINGS:  Clear.", line)) == {"findings": f"Clear. {line}"}


def test_the_last_of_several_counts_unless_it_is_empty():
    assert sectioned(report("IMPRESSION: a", "IMPRESSION: b", "IMPRESSION:"))["impression"] == "b"
    text = report("CHEST, TWO VIEWS:", "", "INDICATION: Cough.", "FINDINGS: Clear.", "HISTORY: Fever.")
    assert sectioned(text) == {"indication": "Cough. Fever.", "findings": "Clear."}  # others are joined


def test_heads_of_body_parts_belong_to_the_findings():
    expected = {"findings": "LUNGS: Clear. HEART: Normal.", "impression": "Fine. BONES: Old fracture."}
    for first in (["FINDINGS:", "", "LUNGS: Clear."], ["INDICATION:", "LUNGS: Clear."]):
        lines = [*first, "HEART: Normal.", "IMPRESSION: Fine.", "BONES: Old fracture."]
        assert sectioned(report(*lines)) == expected


def test_wet_reads_and_addenda_stand_aside():
    wet = " WET READ: ___ ___ 9:45 PM\n  Low volumes.\n  IMPRESSION: Pneumonia.\n " + "_" * 78 + "\n"
    found = sectioned(wet + report("FINDINGS: Clear."))
    assert found["findings"] == "Clear." and "impression" not in found and "Pneumonia" in found["wet read"]
    assert sectioned("Page one\n\nSome clinic.\n" + report("INDICATION: Cough.")) == {"indication": "Cough."}
    addendum = TITLE + " ADDENDUM  The doctor was told: by phone.\n " + "_" * 78 + "\n"
    expected = {"addendum": "The doctor was told: by phone.", "findings": "Clear."}
    assert sectioned(addendum + report("FINDINGS: Clear.")) == expected
    assert sectioned(report("FINDINGS: Clear.", "", "ADDENDUM:  The doctor was told: by phone.")) == expected
    assert sectioned(report("FINDINGS: Clear.", "FINAL ADDENDUM  The doctor was told: by phone.")) == expected


def test_a_page_break_is_no_end():
    text = report("FINDINGS: The lungs", "(Over)", "FINAL REPORT", "(Cont)", "are clear.")
    assert sectioned(text) == {"findings": "The lungs are clear."}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["COMPARISON:  ___.", "", "As before,", "no change.", "", "Devices in place."],
         {"comparison": "___.", "last paragraph": "As before, no change. Devices in place."}),
        (["CHEST RADIOGRAPH", "", "INDICATION: Cough.", "", "Clear.", "", "NOTIFICATION: Told."],
         {"indication": "Cough.", "last paragraph": "Clear."}),
        (["Chest radiograph", "", "The lungs are clear."], {"last paragraph": "The lungs are clear."}),
        (["", "PA AND LATERAL CHEST", "", "The lungs are clear."], {"last paragraph": "The lungs are clear."}),
        (["The lungs are clear."], {"last paragraph": "The lungs are clear."}),
        (["INDICATION:", "", "The lungs are clear."], {"last paragraph": "The lungs are clear."}),
        (["IMPRESSION:", "", "INDICATION: Cough.", "", "Clear."],
         {"indication": "Cough.", "last paragraph": "Clear."}),
        (["COMPARISON: The lungs are clear."], {"comparison": "The lungs are clear."}),
        (["CHEST RADIOGRAPH"], {}),
        ([], {}),
    ],
)  # fmt: skip
def test_reports_with_neither_findings_nor_impression(lines, expected):
    assert sectioned(report(*lines)) == expected
    assert sectioned("\n".join(lines)) == expected  # without the title as well


def test_small_letters_are_heads_only_where_no_head_is_in_capitals():
    assert sectioned("Findings: Clear.\nImpression: Normal.") == {"findings": "Clear.", "impression": "Normal."}
    assert sectioned("FINDINGS: Clear.\nImpression: Normal.") == {"findings": "Clear. Impression: Normal."}


TEXTS = st.lists(
    st.sampled_from(["FINDINGS:", "IMPRESSION:", "LUNGS:", "WET READ", "ADDENDUM", "FINAL REPORT", "_" * 20, "\n",
                     "\n \n", "Clear.", "X:", ":", " ", "\r", "Findings:", "(Over)"])
    | st.text(max_size=8),
    max_size=25,
).map("".join)  # fmt: skip


@given(TEXTS)
def test_any_text_gives_sections_made_of_its_words(text):
    found = sectioned(text)
    assert set(found) <= {*HEADS, "last paragraph"}
    assert all(section and section == " ".join(section.split()) for section in found.values())
    words = "".join(text.split())
    assert sum(len("".join(section.split())) for section in found.values()) <= len(words)
    assert found == sectioned(text)


@pytest.mark.parametrize(
    "piece", ["A", " ", "_", "A:", "A:\n", "FINDINGS:\n", "HISTORY: x\n", "WET READ\n", "(", "\n \n", "A ,", "findin"]
)
def test_time_grows_with_the_length_alone(piece):
    def seconds(copies):
        text = piece * copies
        start = time.process_time()
        sectioned(text)
        return time.process_time() - start

    assert seconds(200_000) < 100 * max(seconds(10_000), 0.001)  # 20 times as long; 400 times if it were quadratic
