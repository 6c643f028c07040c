"""What the words around a mention do to it: deny it, doubt it, set it aside, or leave it standing.

Cues (rules/cues.tsv) are read from left to right; each reaches forward until a stop, or back from behind a mention.
"""

from __future__ import annotations

from dataclasses import dataclass

from mrg_llm.scoring.rulebook import Phrases, table



@dataclass(frozen=True)
class Cue:
    """One cue in a sentence: characters [start, end) of its plain spelling."""

    start: int
    end: int
    kind: str
    side: str
    reach: int
    phrase: str


@dataclass(frozen=True)
class Verdict:
    """kind: "present", "absent", "uncertain" or "ignore"; because: the cue that decided, or None."""

    kind: str
    because: str | None = None


_CUES = Phrases(table("cues"))


def cues(plain: str) -> tuple[Cue, ...]:
    """All cues of a sentence, from left to right."""
    return tuple(
        Cue(start, end, row["cue"], row["side"], int(row["words"] or 1000), row["phrase"])
        for start, end, row in _CUES.find(plain)
    )


def verdict(plain: str, found: tuple[Cue, ...], start: int, end: int) -> Verdict:
    """What the sentence says of the mention at characters [start, end)."""
    before = _from_before(plain, found, start)
    after = _from_behind(plain, found, end)
    if before is not None and before.kind == "ignore":
        return Verdict("ignore", before.phrase)
    denied = before is not None and before.kind == "negative"
    if after is not None and not (denied and after.kind == "weak-uncertain"):
        return Verdict(_KINDS[after.kind], after.phrase)
    if before is not None:
        return Verdict(_KINDS[before.kind], before.phrase)
    return Verdict("present")


_KINDS = {
    "negative": "absent",
    "uncertain": "uncertain",
    "weak-uncertain": "uncertain",
    "asserted": "present",
    "ignore": "ignore",
}


def _words_between(plain: str, start: int, end: int) -> int:
    return len(plain[start:end].split())


def _from_before(plain: str, found: tuple[Cue, ...], start: int) -> Cue | None:
    """The cue whose forward reach covers position `start`."""
    active: Cue | None = None
    for cue in found:
        if cue.end > start:
            break
        if cue.kind == "stop" or (cue.kind == "new" and not _list_goes_on(plain, cue)):
            active = None
        elif cue.kind == "stop-uncertain":
            active = None if active is not None and active.kind.endswith("uncertain") else active
        elif cue.side == "after" or cue.kind == "new":
            continue
        elif cue.kind == "weak-uncertain" and active is not None and active.kind == "negative":
            continue
        else:
            active = cue
    if active is not None and _words_between(plain, active.end, start) > active.reach:
        return None
    return active


def _list_goes_on(plain: str, cue: Cue) -> bool:
    return " or " in plain[cue.start :]


def _from_behind(plain: str, found: tuple[Cue, ...], end: int) -> Cue | None:
    """The first cue behind position `end` that reaches back to it."""
    for cue in found:
        if cue.start < end:
            continue
        if cue.side in ("after", "both"):
            return cue if _words_between(plain, end, cue.start) <= cue.reach else None
        return None
    return None
