"""Report text -> sentences in one plain spelling, each able to say where in the report its characters came from.

Plain spelling: lower case, words and punctuation marks apart by one space, hyphens and quotes gone, `<unk>` and the
de-identification blank XXXX left out. So a cased report and its tokenised twin give the same sentences.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from mrg_llm.scoring.rulebook import Phrases, table

_BREAK = r"\n\s*\n|\n(?=[ \t]*[A-Za-z][A-Za-z ]{2,30}:)"  # an empty line, or the next line is a heading
_TOKEN = re.compile(rf"<unk>|[^\W_]+(?:\.\d+)?|[.,;:/()?!]|{_BREAK}", re.IGNORECASE)
_BLANK = re.compile(r"<unk>|x{3,}\w*", re.IGNORECASE)
_END = re.compile(r"[.?!]|\n\s*")


@dataclass(frozen=True)
class Sentence:
    """One sentence: `plain` is its plain spelling; `place` leads back to the report."""

    plain: str
    _plain_starts: tuple[int, ...]
    _starts: tuple[int, ...]
    _ends: tuple[int, ...]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Characters [start, end) of `plain` as a range of the report, whole words."""
        first = bisect_right(self._plain_starts, start) - 1
        last = bisect_right(self._plain_starts, end - 1) - 1
        return self._starts[first], self._ends[last]


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences that report findings, in order: none under a heading such as "Indication:", none without a word."""
    skipping = False
    for sentence in _all_sentences(text):
        heading, colon, _ = sentence.plain.partition(" :")
        if colon:
            kinds = [row["kind"] for start, _, row in _headings().find(heading) if start == 0]
            skipping = kinds[0] == "skip" if kinds else skipping
        if not skipping:
            yield sentence


@cache
def _headings() -> Phrases:
    return Phrases(table("headings"))


def _all_sentences(text: str) -> Iterator[Sentence]:
    words: list[tuple[str, int, int]] = []
    for token in _TOKEN.finditer(text):
        if _END.fullmatch(token[0]):
            yield from _sentence(words)
            words = []
        elif not _BLANK.fullmatch(token[0]):
            words.append((token[0].lower(), token.start(), token.end()))
    yield from _sentence(words)


def _sentence(words: list[tuple[str, int, int]]) -> Iterator[Sentence]:
    if not words:
        return
    plain_starts, position = [], 0
    for word, _, _ in words:
        plain_starts.append(position)
        position += len(word) + 1
    yield Sentence(
        " ".join(word for word, _, _ in words),
        tuple(plain_starts),
        tuple(start for _, start, _ in words),
        tuple(end for _, _, end in words),
    )
