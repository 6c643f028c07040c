"""Which text of a study the model learns to write: named policies, each a function StudySet -> StudySet.

sections       which sections of the report become `Study.report`; two are told apart by IMPRESSION_HEAD
deidentified   what happens to the marks that stand where a name or a date was taken out: XXXX (IU X-ray), ___ (MIMIC)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mrg_llm.errors import DataError
from mrg_llm.studies.study import Note, Study, StudySet

MARK = re.compile(r"X{4,}|_{3,}")
MARKED_WORD = re.compile(r"\S*(?:X{4,}|_{3,})[^\s.,;:?!]*")  # with what a hyphen glued to it: "x-XXXX", "XXXX-year-old"
SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
IMPRESSION_HEAD = "Impression:"
PARTS = ("findings", "impression")


def joined(findings: str | None, impression: str | None) -> str | None:
    """Both sections as one text, the impression under its head; None where there is neither."""
    headed = f"{IMPRESSION_HEAD} {impression}" if impression else None
    return " ".join(part for part in (findings, headed) if part) or None


def parted(report: str) -> dict[str, str]:
    """The sections of a text that `joined` made, or a model wrote that learned from such texts: findings and
    impression, "" for one that is not there."""
    findings, _, impression = report.partition(IMPRESSION_HEAD)
    return dict(zip(PARTS, (findings.strip(), impression.strip()), strict=True))


def only_section(studies: StudySet, section: str) -> StudySet:
    """The studies with one section of their report alone; None as the report of those that lack it."""
    return replace(studies, studies=tuple(replace(s, report=parted(s.report or "")[section] or None) for s in studies))


SECTIONS: dict[str, Callable[[Study], str | None]] = {
    "findings": lambda study: study.report,
    "impression": lambda study: study.impression,
    "findings-or-impression": lambda study: study.report or study.impression,
    "findings+impression": lambda study: joined(study.report, study.impression),
}
"""Policy -> the text out of a study whose `report` holds its findings."""

DEIDENTIFIED: dict[str, Callable[[str], str]] = {
    "keep": lambda text: text,
    "unlearned": lambda text: text,
    "drop": lambda text: tidy(MARKED_WORD.sub("", text)),
    "drop-sentence": lambda text: " ".join(s for s in SENTENCE_END.split(text) if not MARK.search(s)),
}
"""Policy -> what becomes of a text with marks. "drop" leaves sentences that lack a word; "unlearned" leaves the text,
and training gives its marks no weight."""


def with_sections(studies: StudySet, policy: str) -> StudySet:
    """The studies with the sections of a policy as their report; a study whose text lies elsewhere is left out.

    A study without any text stays: a report can be written for it. Raises DataError for an unknown policy.
    """
    choose = known("sections", policy, SECTIONS)
    kept: list[Study] = []
    without: list[str] = []
    for study in studies:
        text = choose(study)
        if text or not (study.report or study.impression):
            kept.append(replace(study, report=text))
        else:
            without.append(study.id)
    if not without:
        return replace(studies, studies=tuple(kept))
    note = Note(f"no {policy} section, study left out", tuple(without))
    return replace(studies, studies=tuple(kept), notes=(*studies.notes, note))


def without_marks(studies: StudySet, policy: str) -> StudySet:
    """The studies with a policy for de-identification marks applied to the reports of the training split.

    Val and test keep theirs: published scores were computed on references as the source has them. Raises DataError for
    an unknown policy.
    """
    rewrite = known("deidentified", policy, DEIDENTIFIED)
    kept: list[Study] = []
    changed: list[str] = []
    emptied: list[str] = []
    for study in studies:
        text = study.report or ""
        if study.split == "train" and MARK.search(text) and (left := rewrite(text)) != text:
            study = replace(study, report=left or None)
            (changed if study.report else emptied).append(study.id)
        kept.append(study)
    notes = (
        Note(f"training report without its de-identification marks ({policy})", tuple(changed)),
        Note(f"nothing left of a training report without its de-identification marks ({policy})", tuple(emptied)),
    )
    return replace(studies, studies=tuple(kept), notes=(*studies.notes, *(note for note in notes if note.ids)))


def reading_in(predictions: Path) -> dict[str, str | None]:
    """How `open_studies` read the data that a predictions.jsonl of ours is about, as far as its first line says so."""
    how: dict[str, str | None] = {"sections": "findings", "split_by": None}
    try:
        with predictions.open(encoding="utf-8") as file:
            row = json.loads(file.readline())
        sections, split_by = "+".join(row["sections"]), row.get("split_by")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return how
    return how | ({"sections": sections} if sections in SECTIONS else {}) | {"split_by": split_by and str(split_by)}


def tidy(text: str) -> str:
    """One space between words, none before a full stop, no sentence without a word."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([.,;:?!])", r"\1", text)
    return " ".join(sentence for sentence in SENTENCE_END.split(text) if re.search(r"\w", sentence)).strip()


def known(setting: str, policy: str, policies: dict) -> Callable:
    if policy not in policies:
        raise DataError(f"{setting} is {policy!r}, but must be one of {', '.join(policies)}")
    return policies[policy]
