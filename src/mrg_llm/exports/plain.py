"""A draft as text, JSON or Markdown, in UTF-8. The JSON's members are described in docs/exports.md."""

from __future__ import annotations

import json
import re

from mrg_llm.exports.draft import DraftReport

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&])")
LIST_START = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))", re.MULTILINE)


def as_text(draft: DraftReport) -> bytes:
    parts = [draft.findings, *([f"Impression: {draft.impression}"] if draft.impression else []), draft.notice]
    return ("\n".join(parts) + "\n").encode()


def as_json(draft: DraftReport) -> bytes:
    """`report` and `findings` are the same text: `report` was there before sections were."""
    members = {
        "report": draft.findings,
        "findings": draft.findings,
        "impression": draft.impression,
        "status": "preliminary",
        "model": draft.model,
        "notice": draft.notice,
    }
    return (json.dumps(members, ensure_ascii=False) + "\n").encode()


def as_markdown(draft: DraftReport) -> bytes:
    sections = ["# Draft report", f"> {plain(draft.notice)}", "## Findings", plain(draft.findings)]
    if draft.impression:
        sections += ["## Impression", plain(draft.impression)]
    return ("\n\n".join([*sections, f"Written by: {plain(draft.model)}"]) + "\n").encode()


def plain(text: str) -> str:
    """Text in which no character is markup, so that what a model wrote cannot become a link, a list or HTML."""
    escaped = MARKUP.sub(r"\\\1", text)
    return LIST_START.sub(lambda m: f"{m[1]}{m[2]}\\" if m[2].isdigit() else f"{m[1]}\\{m[2]}", escaped)
