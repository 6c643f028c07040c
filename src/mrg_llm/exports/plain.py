"""A draft as text, JSON (report.schema.json says which) or Markdown, in UTF-8. Nothing of the patient is in them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

from mrg_llm.exports.draft import SOFTWARE, DraftReport, software_version

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&])")
LIST_START = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))", re.MULTILINE)


def as_text(draft: DraftReport) -> bytes:
    return f"{sections(draft)}\n{draft.notice}\n".encode()


def sections(draft: DraftReport) -> str:
    """What the model wrote, a line a section."""
    return "\n".join([draft.shown, *([f"Impression: {draft.impression}"] if draft.impression else [])])


def as_json(draft: DraftReport) -> bytes:
    """`report` and `findings` are the same text: `report` was there before sections were."""
    members = {
        "report": draft.findings,
        "findings": draft.findings,
        "impression": draft.impression,
        "sentences": [asdict(sentence) for sentence in draft.sentences],
        "status": "preliminary",
        "model": draft.model,
        "software": f"{SOFTWARE} {software_version()}",
        "written_at": draft.written_at.isoformat(timespec="seconds"),
        "notice": draft.notice,
    }
    return (json.dumps(members, ensure_ascii=False) + "\n").encode()


def as_markdown(draft: DraftReport) -> bytes:
    parts = ["# Draft report", f"> {plain(draft.notice)}", "## Findings", plain(draft.shown)]
    if draft.impression:
        parts += ["## Impression", plain(draft.impression)]
    return ("\n\n".join([*parts, f"Written by: {plain(draft.model)}"]) + "\n").encode()


def plain(text: str) -> str:
    """Text in which no character is markup, so that what a model wrote cannot become a link, a list or HTML."""
    escaped = MARKUP.sub(r"\\\1", text)
    return LIST_START.sub(lambda m: f"{m[1]}{m[2]}\\" if m[2].isdigit() else f"{m[1]}\\{m[2]}", escaped)
