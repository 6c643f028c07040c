"""Where a report says things are: (site, side, observation, polarity) quadruples, and how two reports agree on them.

Sites and sides are tables in `rules/` (sites.tsv, sides.tsv, homes.tsv). A mention takes the site and side named in
its own part of the sentence; with none named it is at its observation's home ("effusion": the pleura, side unsaid).
"Bilateral" counts as left and as right. A doubtful finding is spoken of as present.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from mrg_llm.scoring.mentions import ABSENT, PRESENT, Mention, mentions
from mrg_llm.scoring.rulebook import Phrases, table
from mrg_llm.scoring.sentences import sentences


class Quadruple(NamedTuple):
    """One located statement. side: "left", "right" or None (unsaid); polarity: "present" or "absent"."""

    site: str
    side: str | None
    observation: str
    polarity: str


@dataclass(frozen=True)
class AnatomyCounts:
    """Counts of N studies, int64 (N,) each, so that a bootstrap can draw studies.

    tp, fp, fn: quadruples in both reports, in the prediction alone, in the reference alone. shared_sites: (site,
    observation) pairs both reports speak of; conflicts: those of them on which they disagree in side or polarity.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    shared_sites: np.ndarray
    conflicts: np.ndarray

    def precision(self) -> float:
        return _share(self.tp.sum(), self.tp.sum() + self.fp.sum())

    def recall(self) -> float:
        return _share(self.tp.sum(), self.tp.sum() + self.fn.sum())

    def f1(self) -> float:
        """Micro F1 over the quadruples of all studies; NaN where neither side has any."""
        return _share(2 * self.tp.sum(), 2 * self.tp.sum() + self.fp.sum() + self.fn.sum())

    def conflict_share(self) -> float:
        """Share of the shared sites on which the reports disagree; NaN where no site is shared."""
        return _share(self.conflicts.sum(), self.shared_sites.sum())


def anatomy_of(text: str) -> frozenset[Quadruple]:
    """All quadruples of a report."""
    return frozenset(Quadruple(*located) for sentence in sentences(text) for located, _ in _located(sentence.plain))


def anatomy_counts(predictions: Sequence[str], references: Sequence[str]) -> AnatomyCounts:
    """Compare reports pairwise. ValueError when the two lists differ in length."""
    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        said, true = anatomy_of(prediction), anatomy_of(reference)
        rows.append([len(said & true), len(said - true), len(true - said), *_shared_and_conflicting(said, true)])
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return AnatomyCounts(*columns)


def side_contradictions(text: str) -> int:
    """How often a report contradicts itself: a finding both there and denied at one site and side, or on a side where
    its site does not exist ("left middle lobe").

    Denials of a kind alone ("no large effusion", "no other nodule") contradict nothing; nor does the denial of one word
    for an observation that has many ("no focal airspace disease" beside "streaky opacity").
    """
    said: dict[tuple[str, str], set[Quadruple]] = defaultdict(set)
    impossible = 0
    for sentence in sentences(text):
        impossible += _impossible_sides(sentence.plain)
        for located, mention in _located(sentence.plain):
            if mention.reading == PRESENT or (mention.reading == ABSENT and not _is_partial(sentence.plain, mention)):
                word = mention.rule if located.observation in _MANY_WORDS else ""
                said[mention.reading, word.split(" <- ")[0]].add(located)
    clashes = 0
    for (reading, word), quadruples in said.items():
        if reading == PRESENT:
            denied = said.get((ABSENT, word), set())
            clashes += sum(q._replace(polarity=ABSENT) in denied for q in quadruples)
    return impossible + clashes


_MANY_WORDS = frozenset(["Lung Opacity", "Lung Lesion", "Support Devices", "Fracture"])
_PARTIAL = re.compile(
    r"(?:large|significant|sizable|definite|other|new|additional|further|superimposed|acute|displaced|focal|overt"
    r"|increasing|residual|recurrent|moderate|massive|discrete|suspicious)\b[^,]*$"
)


def _share(part: np.integer, whole: np.integer) -> float:
    return float(part) / float(whole) if whole else float("nan")


def _is_partial(plain: str, mention: Mention) -> bool:
    return _PARTIAL.search(plain[max(0, mention.start - 40) : mention.start]) is not None


def _shared_and_conflicting(said: frozenset[Quadruple], true: frozenset[Quadruple]) -> tuple[int, int]:
    ours, theirs = _by_place(said), _by_place(true)
    shared = ours.keys() & theirs.keys()
    conflicts = sum(_disagree(ours[place], theirs[place]) for place in shared)
    denied_wholesale = 0
    for one, other in ((ours, theirs), (theirs, ours)):
        for (site, observation), sides in one.items():
            whole = other.get((_whole(site), observation), {}) if (site, observation) not in other else {}
            if PRESENT in sides and whole and PRESENT not in whole:
                denied_wholesale += _overlap(sides[PRESENT], whole[ABSENT])
    return len(shared) + denied_wholesale, conflicts + denied_wholesale


Sides = dict[str, set[str | None]]


def _by_place(quadruples: Iterable[Quadruple]) -> dict[tuple[str, str], Sides]:
    """(site, observation) -> polarity -> sides."""
    places: dict[tuple[str, str], Sides] = defaultdict(lambda: defaultdict(set))
    for q in quadruples:
        places[q.site, q.observation][q.polarity].add(q.side)
    return places


def _disagree(ours: Sides, theirs: Sides) -> bool:
    """Whether two reports contradict each other on a place; a side left unsaid contradicts no side."""
    mine, yours = ours.get(PRESENT), theirs.get(PRESENT)
    if mine and yours:
        return None not in mine and None not in yours and mine != yours
    if not mine and not yours:
        return False
    return _overlap(mine or yours or set(), (theirs if mine else ours)[ABSENT])


def _overlap(mine: set[str | None], yours: set[str | None]) -> bool:
    return None in mine or None in yours or bool(mine & yours)


@cache
def _homes() -> dict[str, tuple[str, frozenset[str]]]:
    return {row["observation"]: (row["site"], frozenset(row["allowed"].split(","))) for row in table("homes")}


def _whole(site: str) -> str:
    return "lung" if site in _homes()["Lung Opacity"][1] and site != "lung" else ""


@cache
def _phrases(name: str) -> Phrases:
    return Phrases(table(name))


_PREPOSITION = (
    r"(?:in|at|of|within|involving|overl(?:ying|ies|ie)|along|on|over|near|throughout|project(?:ing|s)|to|bilaterally)"
)


@lru_cache(maxsize=65536)
def _located(plain: str) -> tuple[tuple[Quadruple, Mention], ...]:
    """The quadruples of one sentence, each with the mention it comes from."""
    found = sorted(mentions(plain), key=lambda mention: (mention.start, -mention.end))
    located = []
    for mention, window in _windows(plain, found):
        for site, side in _places(mention.observation, window):
            polarity = ABSENT if mention.reading == ABSENT else PRESENT
            located.append((Quadruple(site, side, mention.observation, polarity), mention))
    placed = {(q.observation, q.polarity) for q, _ in located if not _is_bare(q)}
    return tuple((q, m) for q, m in located if not _is_bare(q) or (q.observation, q.polarity) not in placed)


def _is_bare(quadruple: Quadruple) -> bool:
    """Whether no place was named: a second word for a finding that has its place already ("PICC tip")."""
    return quadruple.side is None and quadruple.site == _homes()[quadruple.observation][0]


def _windows(plain: str, found: list[Mention]) -> Iterator[tuple[Mention, str]]:
    """Each mention with the words that belong to it: its own, those before it and those behind it.

    Between two mentions the last comma or "and" is the border; words behind a mention belong to it when a preposition
    leads them in, and to all mentions joined before it that have no place of their own.
    """
    groups: list[list[Mention]] = []
    for mention in found:
        if groups and mention.start < max(m.end for m in groups[-1]):
            groups[-1].append(mention)
        else:
            groups.append([mention])
    starts = [min(m.start for m in group) for group in groups]
    ends = [max(m.end for m in group) for group in groups]
    before, behind = [], []
    for i in range(len(groups)):
        left = ends[i - 1] if i else 0
        gap = plain[left : starts[i]]
        border = _border(gap)
        before.append(gap[border:])
        if i:
            behind.append(gap[:border])
        elif not _names_a_place(gap[border:]) and re.match(rf"{_PREPOSITION} ", gap):
            before[0] = gap  # "in the left lower lobe there is an opacity"
    if groups:
        behind.append(plain[ends[-1] :])
    for i, group in enumerate(groups):
        tail = behind[i] if re.search(rf"\b{_PREPOSITION}\b", behind[i]) else ""
        window = f"{before[i]} {plain[starts[i] : ends[i]]} {tail}"
        if not _names_a_place(before[i]) and not _names_a_place(tail):
            last = behind[-1] if re.search(rf"\b{_PREPOSITION}\b", behind[-1]) else ""
            window = f"{window} {last}"
        for mention in group:
            yield mention, window


def _border(gap: str) -> int:
    """Where, between two mentions, the second one's words begin."""
    last = 0
    for joint in re.finditer(r"(?:^| )(?:,|and|with|or|;|but|there)(?= |$)", gap):
        after = gap[joint.end() :]
        if not (joint[0].strip() in ("and", "or", ",") and _continues_a_place(gap[: joint.start()], after)):
            last = joint.end()
    return last


def _continues_a_place(left: str, right: str) -> bool:
    """Whether an "and" joins two places of one finding: "upper and lower lobe", "left and right"."""
    return bool(
        re.search(r"(?:upper|middle|mid|left|right)$", left)
        and re.match(r" (?:upper|middle|lower|left|right)\b", right)
    )


def _names_a_place(window: str) -> bool:
    return any(True for _ in _phrases("sites").find(window)) or any(True for _ in _phrases("sides").find(window))


def _places(observation: str, window: str) -> Iterator[tuple[str, str | None]]:
    """The (site, side) pairs a window names for an observation."""
    home, allowed = _homes()[observation]
    sides = [(start, end, row["side"]) for start, end, row in _phrases("sides").find(window)]
    places: set[tuple[str, str | None]] = set()
    previous = 0
    for start, end, row in _phrases("sites").find(window):
        names = [site for site in row["site"].split("+") if site in allowed]
        own = [side for left, _, side in sides if previous <= left < start] or [
            side for left, _, side in sides if left >= end and left - end < 12
        ]
        if names and not (row["site"] == home and not own and not row["side"]):
            for side in _expand([row["side"]] if row["side"] else own):
                places.update((site, side) for site in names)
        previous = end if names else previous
    specific = {place for place in places if place[0] != home}
    if specific:
        yield from sorted(specific, key=str)
    elif places:
        yield from sorted(places, key=str)
    else:
        for side in _expand([side for _, _, side in sides]):
            yield home, side


def _expand(sides: list[str]) -> list[str | None]:
    if "bilateral" in sides or {"left", "right"} <= set(sides):
        return ["left", "right"]
    return [sides[-1]] if sides else [None]


def _impossible_sides(plain: str) -> int:
    """Sites on a side where there is none: the lingula is left, the middle lobe right."""
    count = 0
    for start, _, row in _phrases("sites").find(plain):
        if row["side"] in ("left", "right"):
            nearest = plain[:start].split()[-1:]
            count += nearest == [{"left": "right", "right": "left"}[row["side"]]]
    return count
