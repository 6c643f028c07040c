"""Report text -> sentences in one plain spelling, each able to say where in the report its characters came from.

Plain spelling: lower case, words and punctuation marks apart by one space, hyphens and quotes gone, `<unk>` and the
de-identification blank XXXX left out. So a cased report and its tokenised twin give the same sentences.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"<unk>|[^\W_]+(?:\.\d+)?|[.,;:/()?!]|\n\s*\n", re.IGNORECASE)
_BLANK = re.compile(r"<unk>|x{3,}\w*", re.IGNORECASE)
_END = re.compile(r"[.?!]|\n\s*\n")


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
    """The sentences of a report, in order; sentences without a word are left out."""
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
