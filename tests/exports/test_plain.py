"""Text, JSON and Markdown exports, and what all formats share."""

import json
from datetime import datetime
from importlib import resources

import pytest

from mrg_llm import exports
from mrg_llm.errors import ResourceError, SettingsError
from mrg_llm.exports import DraftReport, Sentence, check_format, render, save, split_sentences
from tests.exports.drafts import SENTENCES, draft

NOTICE = "Draft by software. Research use only, not a medical device."
DRAFT = DraftReport("No <b>effusion</b>. Größe normal.", "run_1", NOTICE, "1. *normal*")


@pytest.mark.parametrize("format", ["text", "json", "markdown"])
def test_every_export_says_what_it_is(format):
    assert NOTICE in render(DRAFT, format).decode()


def test_json_is_what_its_schema_says():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((resources.files(exports) / "report.schema.json").read_text())
    check = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    check.check_schema(schema)
    for one in (DRAFT, draft(), DraftReport("", "m", NOTICE)):
        check.validate(json.loads(render(one, "json")))
    with pytest.raises(jsonschema.ValidationError):
        check.validate(json.loads(render(DRAFT, "json")) | {"patient": "no"})


def test_json_has_exactly_the_documented_members():
    schema = json.loads((resources.files(exports) / "report.schema.json").read_text())
    made = json.loads(render(DRAFT, "json"))
    assert set(made) == set(schema["properties"]) == set(schema["required"])
    assert {k: made[k] for k in ("report", "findings", "impression", "status", "model", "notice")} == {
        "report": DRAFT.findings, "findings": DRAFT.findings, "impression": DRAFT.impression,
        "status": "preliminary", "model": "run_1", "notice": NOTICE,
    }  # fmt: skip
    assert made["sentences"] == [{"text": text, "confidence": None, "marked": False}
                                 for text in ("No <b>effusion</b>.", "Größe normal.")]  # fmt: skip


def test_uncertain_sentences_are_marked_in_every_format():
    one = draft()
    marked = f"[uncertain] {SENTENCES[1].text}"
    assert marked in render(one, "text").decode()
    assert "\\[uncertain\\] There is a small effusion" in render(one, "markdown").decode()
    assert [s["marked"] for s in json.loads(render(one, "json"))["sentences"]] == [False, True, False]
    assert draft(sentences=()).sentences[1] == Sentence(SENTENCES[1].text)


def test_sentences_are_found_by_their_full_stops():
    assert split_sentences("The node is 4.5 cm . no effusion .\nNormal heart") == [
        "The node is 4.5 cm .", "no effusion .", "Normal heart"
    ]  # fmt: skip
    assert split_sentences("1. Clear lungs. 2. (3) Normal.") == ["1. Clear lungs.", "2. (3) Normal."]
    assert split_sentences("両肺は清明。心拡大なし。") == ["両肺は清明。", "心拡大なし。"]
    assert split_sentences(" \n ") == [] and split_sentences("1.") == ["1."]


def test_no_draft_holds_control_characters():
    one = DraftReport("Clear\x1b[2J.\x00 Normal.", "m", NOTICE, "No\x07ne.", (Sentence("Clear\x1b[2J."),))
    assert one.findings == "Clear[2J. Normal." and one.impression == "None." and one.sentences[0].text == "Clear[2J."


def test_a_time_without_zone_is_local():
    assert DraftReport("Clear.", "m", NOTICE, written_at=datetime(2026, 1, 31)).written_at.tzinfo is not None


def test_a_package_that_is_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setattr(exports, "importable", lambda package: False)
    with pytest.raises(SettingsError, match=r"fhir needs fhir.resources, .*pip install 'mrg-llm\[exports\]'"):
        check_format("fhir")
    check_format("json")
    assert not exports.importable("no.such.package")


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
