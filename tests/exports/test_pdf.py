"""The PDF, read by poppler's pdftotext."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrg_llm.exports.pdf import as_pdf
from tests.exports.drafts import NOTICE, STUDY, draft
from tests.images.made import png, ramp


def words(data: bytes, tmp_path) -> str:
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed (Debian: poppler-utils)")
    path = tmp_path / "page.pdf"
    path.write_bytes(data)
    return subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True).stdout.decode()


def test_the_page_says_whose_it_is_and_what(tmp_path):
    said = " ".join(words(as_pdf(draft()), tmp_path).split())
    for part in (
        NOTICE, "Patient: Yamada, Tarou", "ID: 4711 (Klinik Größe)", "Born: 1959-03-07", "Sex: male", "A77", STUDY,
        "Taken: 2026-01-31 10:15", "Thorax in zwei Ebenen", "Müller, Änne Dr.", "films: 2", "a-run", "1. Effusion.",
        "[uncertain] There is a small effusion & <b>more</b>.", "Größe, α and Я.",
    ):  # fmt: skip
        assert part in said
    assert said.count("\f") == 0 and said.count("[uncertain]") == 1


def test_names_in_chinese_japanese_and_korean_keep_their_characters(tmp_path):
    study = replace(draft().study, patient_name="Hong^Gildong=洪^吉洞=홍^길동", description="胸部正面 レントゲン")
    said = words(as_pdf(draft(study=study)), tmp_path)
    if "洪" not in said:
        pytest.skip("pdftotext has no tables for Asian fonts (Debian: poppler-data)")
    assert "洪, 吉洞" in said and "홍, 길동" in said and "胸部正面" in said and "レントゲン" in said


def test_without_identity_there_is_no_patient(tmp_path):
    said = words(as_pdf(draft(study=None)), tmp_path)
    assert "Patient" not in said and "Study" not in said and "Findings" in said


def test_the_notice_is_on_every_page(tmp_path):
    long = draft(sentences=(), impression=None)
    pages = words(as_pdf(replace(long, findings="The lungs are clear. " * 400, sentences=())), tmp_path).split("\f")[
        :-1
    ]
    assert len(pages) > 2 and all(page.count(NOTICE) >= 2 for page in pages)


def test_the_same_draft_is_the_same_file():
    one = draft()
    assert as_pdf(one) == as_pdf(one)


def test_films_are_shown_small_and_stay_within(tmp_path):
    films = [png(ramp(8).astype(np.uint8)), png(ramp(8, 90, 20).astype(np.uint8))]
    plain, with_films = as_pdf(draft()), as_pdf(draft(), films)
    assert with_films.count(b"/Subtype /Image") == 2 and b"/Subtype /Image" not in plain
    assert words(with_films, tmp_path).count("\f") == 1


@settings(max_examples=60)
@given(st.text(max_size=300), st.text(max_size=40))
def test_any_text_makes_a_page(text, name):
    one = replace(draft(sentences=()), findings=text, impression=text or None, sentences=())
    assert as_pdf(replace(one, study=replace(one.study, patient_name=name))).startswith(b"%PDF-")
