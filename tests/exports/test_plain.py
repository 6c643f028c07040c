"""Text, JSON and Markdown exports."""

import json

import pytest

from mrg_llm.errors import ResourceError, SettingsError
from mrg_llm.exports import FORMATS, DraftReport, render, save

NOTICE = "Draft by software. Research use only, not a medical device."
DRAFT = DraftReport("No <b>effusion</b>. Größe normal.", "run_1", NOTICE, "1. *normal*")


@pytest.mark.parametrize("format", FORMATS)
def test_every_export_says_what_it_is(format):
    assert NOTICE in render(DRAFT, format).decode()


def test_json_has_exactly_the_documented_members():
    assert json.loads(render(DRAFT, "json")) == {
        "report": DRAFT.findings, "findings": DRAFT.findings, "impression": DRAFT.impression,
        "status": "preliminary", "model": "run_1", "notice": NOTICE,
    }  # fmt: skip


def test_markdown_holds_no_markup_of_the_models():
    text = render(DRAFT, "markdown").decode()
    assert "\\<b\\>effusion" in text and "1\\. \\*normal\\*" in text and "run\\_1" in text


def test_no_impression_no_section():
    assert "Impression" not in render(DraftReport("Clear.", "m", NOTICE), "markdown").decode()


def test_unknown_format_is_one_sentence():
    with pytest.raises(SettingsError, match=r"docx is not a format; give one of text, json, markdown"):
        render(DRAFT, "docx")


def test_save_replaces_whole_and_leaves_nothing_beside(tmp_path):
    out = tmp_path / "draft.json"
    out.write_bytes(b"old")
    save(b"new", out)
    assert out.read_bytes() == b"new" and list(tmp_path.iterdir()) == [out]


def test_save_where_it_cannot(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (tmp_path / "missing" / "x.json", folder):
        with pytest.raises(ResourceError, match="cannot be written"):
            save(b"new", path)
    assert list(tmp_path.iterdir()) == [folder]
