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
_JOINTS = frozenset([",", "and"])  # "effusion and infiltrate versus crowding" doubts the infiltrate alone


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
        if cue.kind == "stop" or (cue.kind == "new" and active is not None and _ends(plain, active, cue)):
            active = None
        elif cue.kind == "stop-uncertain":
            active = None if active is not None and active.kind.endswith("uncertain") else active
        elif cue.side != "after" and cue.kind != "new" and not _outranks(active, cue):
            active = cue
    if active is not None and _words_between(plain, active.end, start) > active.reach:
        return None
    return active


def _outranks(active: Cue | None, cue: Cue) -> bool:
    """Whether the cue already in force stays in force: a plan or a question always, a "no" before a "suggesting"."""
    if active is None:
        return False
    return active.kind == "ignore" or (active.kind == "negative" and cue.kind == "weak-uncertain")


def _ends(plain: str, active: Cue, new: Cue) -> bool:
    """Whether "small left" begins something new: behind a comma, or after a "no" that does not stand right before it;
    not while an "or" is still to come, for then the list goes on."""
    begins = plain[new.start] == "," or (active.kind == "negative" and active.end + 1 < new.start)
    return begins and " or " not in plain[new.start :]


def _from_behind(plain: str, found: tuple[Cue, ...], end: int) -> Cue | None:
    """The first cue behind position `end` that reaches back to it."""
    for cue in found:
        if cue.start < end:
            continue
        if cue.side in ("after", "both"):
            joined = cue.kind != "weak-uncertain" or not _JOINTS & set(plain[end : cue.start].split()[:-1])
            return cue if joined and _words_between(plain, end, cue.start) <= cue.reach else None
        return None
    return None
