"""Which tokens may follow: those that followed the same words before, in this report or in one written earlier.

Reports repeat each other's sentences, so a lookup of the last few tokens often guesses the next ones (prompt-lookup
decoding, Saxena 2023). Guesses cost nothing but time where they are wrong: greedy search judges each of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

CONTEXTS = (4, 2)  # tokens that are looked up, the longest first
START = -1  # stands before the first token


class Phrases:
    """Tokens that were written, and what came after them. Kept in memory, for as long as the reports are written."""

    def __init__(self) -> None:
        self.followers: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)

    def learn(self, ids: Sequence[int]) -> None:
        """A report that has ended."""
        padded = padding() + list(ids)
        for end in range(CONTEXTS[0], len(padded)):
            for size in CONTEXTS:
                self.followers[tuple(padded[end - size : end])][padded[end]] += 1

    def after(self, ids: Sequence[int], most: int) -> list[int]:
        """At most `most` tokens that may follow these; none where their like was not seen."""
        padded, own = padding() + list(ids), self.own(ids)
        found: list[int] = []
        while len(found) < most and (token := self.follower(padded, own)) is not None:
            found.append(token)
            padded.append(token)
        return found

    def follower(self, padded: list[int], own: dict[tuple[int, ...], int]) -> int | None:
        for size in CONTEXTS:
            key = tuple(padded[-size:])
            if key in self.followers:
                return self.followers[key].most_common(1)[0][0]
            if key in own:
                return own[key]
        return None

    @staticmethod
    def own(ids: Sequence[int]) -> dict[tuple[int, ...], int]:
        return {tuple(ids[i - size : i]): ids[i] for size in CONTEXTS for i in range(size, len(ids))}


def padding() -> list[int]:
    return [START] * CONTEXTS[0]
