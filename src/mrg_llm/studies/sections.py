"""Free-text report -> its sections: a table of section heads, and one pass over the lines.

    FINAL REPORT                            what stands above it is preliminary: wet reads, addenda, page titles
    INDICATION:  Cough.                     a head: capitals, at the start of a line, and a colon
    FINDINGS:  The lungs are clear.
    IMPRESSION:  No acute disease.

Rules, those of MIMIC-CXR's own section parser (github.com/MIT-LCP/mimic-cxr, txt/section_parser.py) where it has one:
a head of another name ends a section; of several findings or impressions the last that is not empty counts; a head that
names the views ("CHEST, PA AND LATERAL:") begins the findings; where there is neither findings nor impression, the
last section of several paragraphs ends with its first, and what follows is the report's "last paragraph".

Rules of our own: heads above FINAL REPORT do not count; a misspelt head is the one it is nearest to; heads of a
body part (LUNGS:) go on with the findings they stand in; where no head is in capitals, "Findings:" is one as well.
Work grows with the length of the text and nothing else: no pattern can go back and forth over it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

HEADS: dict[str, tuple[str, ...]] = {
    "findings": ("findings", "finding", "reference findings"),
    "impression": (
        "impression", "conclusion", "conclusions", "findings and impression", "findings/impression",
        "findings/ impression", "findings / impression", "impression and findings",
    ),
    "indication": (
        "indication", "indications", "clinical indication", "history", "clinical history", "patient history",
        "clinical information", "clinical data", "reason for exam", "reason for examination", "reason for study",
        "reason for this examination", "reason", "medical condition",
    ),
    "comparison": (
        "comparison", "comparisons", "comparison exam", "comparison examination", "comparison film",
        "comparison films", "comparison study", "reference exam", "reference examination",
    ),
    "technique": ("technique", "techniques"),
    "examination": ("examination", "exam", "type of examination", "type of exam", "study", "procedure"),
    "addendum": ("addendum", "final addendum"),
    "wet read": (
        "wet read", "wetread", "preliminary read", "preliminary report", "pfi", "provisional findings impression",
        "provisional findings impression (pfi)",
    ),
}  # fmt: skip
"""Section -> what its head may be called."""

PARTS_OF_A_HEAD = (
    ("wet read", "wet read"), ("impression", "impression"), ("findings", "findings"), ("history", "indication"),
    ("comparison", "comparison"), ("addendum", "addendum"), ("indication", "indication"),
    ("reason for", "indication"), ("technique", "technique"),
)  # fmt: skip
"""Words of a longer head ("PERTINENT HISTORY") -> section; the first that fits."""

VIEWS = ("chest", "portable", "and lat", "lateral and", "lateral view", "frontal", "pa view", "ap view", "one view",
         "two views", "ribs")  # fmt: skip
"""Words of a head that names the films: what stands below it are the findings."""

BODY_PARTS = frozenset((
    "airway", "bones", "bones and soft tissues", "cardiomediastinal silhouette", "cardiomediastinum", "chest wall",
    "devices", "diaphragm", "heart", "heart and mediastinum", "heart/mediastinum", "hila", "lines and tubes",
    "lines/tubes", "lung", "lungs", "lungs and pleura", "lungs/pleura", "mediastinum", "pleura", "pleural space",
    "pleural spaces", "soft tissues", "support devices", "tubes and lines", "upper abdomen", "vessels",
))  # fmt: skip
"""Heads inside the findings, or, where no other head stands above them, at their beginning."""

ASIDE = ("addendum", "wet read")  # not the report itself: a line of underscores, or FINAL REPORT, ends them
REPEATED = ("findings", "impression")  # the last one counts; others are joined
BEGINNINGS = {"FINAL ADDENDUM": "addendum", "ADDENDUM": "addendum", "WET READ": "wet read"}  # heads without a colon
ALONE = ("findings", "impression", "indication", "history", "comparison", "technique", "conclusion")  # the same
FINAL_REPORT = "FINAL REPORT"
PAGE_BREAKS = ("(over)", "(cont)")
CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ ()/,-&")
LONGEST_HEAD = 80  # characters
NEAR = 0.85  # a head nearer than this to one of the table is misspelt; "DEPRESSION" is 0.80 from "impression"

NAMES = {name: section for section, names in HEADS.items() for name in names}


@dataclass
class Part:
    """One section as it stands. name: a section, "preamble" before the first head, "" under a head we do not know."""

    name: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.lines).split())


def sectioned(text: str) -> dict[str, str]:
    """The sections of a report, each on one line: findings, impression, indication, comparison, technique,
    examination, addendum, wet read, and last paragraph (see above). A section without text is not in it.
    """
    lines = [line for line in text.splitlines() if line.strip().lower() not in PAGE_BREAKS]
    parts = list(parts_of(lines, any_case=False))
    if not any(part.name in HEADS and part.name not in ASIDE for part in parts):
        parts = list(parts_of(lines, any_case=True))
    last = ""
    if not any(part.name in REPEATED and part.text for part in parts):
        last = next(filter(None, map(cut_last_paragraph, reversed(parts))), "")
    texts: dict[str, list[str]] = {}
    for part in parts:
        if part.name in HEADS and (found := part.text):
            texts.setdefault(part.name, []).append(found)
    sections = {name: found[-1] if name in REPEATED else " ".join(found) for name, found in texts.items()}
    return sections | ({"last paragraph": last} if last else {})


def parts_of(lines: Sequence[str], any_case: bool) -> Iterator[Part]:
    """The parts of a report in order. any_case: heads of the table count in small letters too ("Findings:")."""
    final = not any(is_final(line) for line in lines)  # False while we are above FINAL REPORT
    part = Part("preamble")
    for line in lines:
        name, rest = head_of(line, any_case)
        if here := is_final(line) or is_rule(line):
            ends = part.name in ASIDE or (is_final(line) and not final)
            name, rest = ("preamble" if ends else None), ""
        elif name == "body part":
            name, rest = (None if part.name in REPEATED else "findings"), line
        if name is None or (name != "preamble" and not final and name not in ASIDE):
            part.lines.append("" if here else line)
            continue
        if final or part.name in ASIDE:
            yield part
        part = Part(name, [rest.strip()] if name != "preamble" else [])
        final = final or is_final(line)
    yield part


def head_of(line: str, any_case: bool) -> tuple[str | None, str]:
    """(section, rest of the line): None for a line that begins none, "" for an unknown head, or "body part"."""
    line = line.strip()
    if not line[:1].isupper():  # most lines
        return None, line
    head, colon, _ = line[: LONGEST_HEAD + 1].partition(":")
    rest = line[len(head) + 1 :]
    name = " ".join(head.lower().split())
    if any_case and colon and name in NAMES and head[0].isupper():
        return NAMES[name], rest
    if colon and len(name) > 1 and CAPITALS.issuperset(head) and (not rest or rest[0].isspace() or name in NAMES):
        return section_named(name), rest
    if line.isupper() and line.lower() in ALONE:
        return NAMES[line.lower()], ""
    begun = next((start for start in BEGINNINGS if line.startswith(start)), None)
    return (BEGINNINGS[begun], line[len(begun) :]) if begun else (None, line)


@lru_cache(maxsize=4096)
def section_named(name: str) -> str:
    """The section of a head, in small letters; "body part" for one inside the findings, "" for an unknown one."""
    if name in NAMES:
        return NAMES[name]
    if name in BODY_PARTS:
        return "body part"
    for word, section in PARTS_OF_A_HEAD:
        if word in name:
            return section
    if any(words in name for words in VIEWS):
        return "findings"
    near = difflib.get_close_matches(name, NAMES, n=1, cutoff=NEAR)
    return NAMES[near[0]] if near else ""


def cut_last_paragraph(part: Part) -> str:
    """What follows a part's first paragraph, taken away from it; of a report without heads also its only paragraph.

    The first paragraph is empty where a head, or FINAL REPORT, stands alone above a blank line. Page titles (no small
    letter) before the last paragraph are left out. "" where there is none.
    """
    if part.name in ASIDE:
        return ""
    headed = part.name != "preamble"
    lines = part.lines[1:] if headed and not part.lines[0] else part.lines
    blank = next((at for at, line in enumerate(lines) if not line.strip()), len(lines))
    first, rest = lines[:blank], lines[blank:]
    if not headed and not any(line.strip() for line in rest):
        first, rest = [], first
    untitled = next((at for at, line in enumerate(rest) if any(map(str.islower, line))), len(rest))
    if rest := rest[untitled:]:
        part.lines = first
    return " ".join(" ".join(rest).split())


def is_final(line: str) -> bool:
    return line.strip().upper() == FINAL_REPORT


def is_rule(line: str) -> bool:
    """A line of underscores, longer than any mark of de-identification."""
    line = line.strip()
    return len(line) >= 10 and not line.strip("_")
