"""One sentence -> the observations it mentions, each with a reading and the rule that gave it.

Two kinds of rule: a phrase that names an observation (rules/findings.tsv), read in the light of the words around it
(context.py); and a statement, a subject with a predicate, such as "the heart is normal in size" (rules/subjects.tsv,
predicates.tsv, statements.tsv).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from mrg_llm.scoring.context import Cue, cues, verdict
from mrg_llm.scoring.rulebook import Phrases, Row, table

PRESENT, ABSENT, UNCERTAIN = "present", "absent", "uncertain"


@dataclass(frozen=True)
class Mention:
    """Characters [start, end) of a sentence's plain spelling say that `observation` is present, absent or uncertain."""

    observation: str
    start: int
    end: int
    reading: str
    rule: str


@lru_cache(maxsize=65536)
def mentions(plain: str) -> tuple[Mention, ...]:
    """All mentions in one sentence (plain spelling). Reports repeat sentences, so each is read once."""
    found = cues(plain)
    return (*_findings(plain, found), *_statements(plain, found))


@cache
def _finding_phrases() -> dict[str, tuple[Phrases, Phrases, Phrases]]:
    """observation -> the phrases that name it, those that count only when denied, those that hide either."""
    rows: dict[str, tuple[list[Row], list[Row], list[Row]]] = {}
    for row in table("findings"):
        named, denied, masked = rows.setdefault(row["observation"], ([], [], []))
        {"mask": masked, "absent-only": denied}.get(row["reading"], named).append(row)
    return {name: (Phrases(named), Phrases(denied), Phrases(masked)) for name, (named, denied, masked) in rows.items()}


@cache
def _table(name: str) -> Phrases:
    return Phrases(table(name))


@cache
def _statement_table() -> dict[tuple[str, str], list[Row]]:
    rows: dict[tuple[str, str], list[Row]] = {}
    for row in table("statements"):
        rows.setdefault((row["subject"], row["predicate"]), []).append(row)
    return rows


def _findings(plain: str, found: tuple[Cue, ...]) -> Iterator[Mention]:
    either = [(start, end, row["observation"]) for start, end, row in _table("alternatives").find(plain)]
    for observation, (named, denied, masked) in _finding_phrases().items():
        matches = [*named.find(plain), *denied.find(plain)]
        hidden = [(start, end) for start, end, _ in masked.find(plain)] if matches else []
        for start, end, row in matches:
            if any(left < end and start < right and right - left > end - start for left, right in hidden):
                continue
            judged = verdict(plain, found, start, end)
            reading = _in_context(row["reading"], judged.kind)
            if reading == PRESENT and any(
                left < end and start < right and which in ("*", observation) for left, right, which in either
            ):
                reading = UNCERTAIN
            if reading is not None:
                yield Mention(observation, start, end, reading, _rule(row["phrase"], judged.because))


def _in_context(reading: str, context: str) -> str | None:
    """What a phrase says by itself and what its sentence makes of it -> one reading, or None for no mention."""
    if context == "ignore" or (reading == "absent-only" and context != ABSENT):
        return None
    return context if context in (ABSENT, UNCERTAIN) else reading


def _rule(phrase: str, because: str | None) -> str:
    return phrase if because is None else f"{phrase} <- {because}"


def _statements(plain: str, found: tuple[Cue, ...]) -> Iterator[Mention]:
    subjects = list(_table("subjects").find(plain))
    predicates = list(_table("predicates").find(plain)) if subjects else []
    for start, end, subject in subjects:
        said = _said_of(plain, subject["subject"], start, end, predicates)
        if said is None:
            continue
        left, right, predicate = said
        judged = verdict(plain, found, left, right)
        for row in _statement_table()[subject["subject"], predicate["predicate"]]:
            reading: str | None
            if row["reading"] == ABSENT:  # a "no" before "normal" denies something else, a "not" denies "normal"
                reading = None if plain[:left].endswith(" not ") else ABSENT
            else:
                reading = _in_context(row["reading"], judged.kind)
            if reading is not None:
                because = None if reading == row["reading"] else judged.because
                rule = _rule(f"{subject['phrase']} + {predicate['phrase']}", because)
                yield Mention(row["observation"], min(start, left), max(end, right), reading, rule)


_VERBS = frozenset(["is", "are", "was", "were", "appear", "appears", "remain", "remains", "has", "have", "seems"])
_BARRIERS = frozenset([";", "however", "no", "without"])
_FURTHEST = 12
_JOINT = re.compile(  # what may stand between an adjective and its subject: "normal [size and contour of the] heart"
    r"(?: (?:sized?|contours?|configuration|appearance|appearing))?(?: and (?:stable|contour|configuration))?"
    r"(?: of)?(?: the)?(?: (?:left|right|upper|superior))? "
)


def _said_of(
    plain: str, subject: str, start: int, end: int, predicates: list[tuple[int, int, Row]]
) -> tuple[int, int, Row] | None:
    """The predicate that belongs to the subject at [start, end): one just before it, else the first behind it."""
    fitting = [found for found in predicates if (subject, found[2]["predicate"]) in _statement_table()]
    for left, right, row in reversed(fitting):
        if right <= start and _JOINT.fullmatch(plain[right:start]):
            return left, right, row
    for left, right, row in fitting:
        if left >= end:
            between = plain[end:left].split()
            near = len(between) <= _FURTHEST and sum(word in _VERBS for word in between) <= 1
            return (left, right, row) if near and not _BARRIERS & set(between) else None
    return None
