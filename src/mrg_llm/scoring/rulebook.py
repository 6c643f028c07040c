"""The tables under `rules/` -> compiled patterns.

A table is tab-separated, `#` begins a comment line, the first line names the columns. A phrase is written as words:
`word*` any ending, `[word]` may be missing, `(a|b c)` one of these, `..` up to two words and `...` up to five words in
between (never across punctuation). Phrases match whole words of the plain spelling of sentences.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

Row = dict[str, str]

_PIECE = re.compile(r"\[[^\]]+\]|\([^)]+\)|\S+")
_GAPS = {"..": r"(?: [^\W_]+){0,2}?", "...": r"(?: [^\W_]+){0,5}?"}


@cache
def table(name: str) -> tuple[Row, ...]:
    """The rows of `rules/<name>.tsv`, column name -> text. ValueError on a row of the wrong width (a bug of ours)."""
    lines = files(__package__).joinpath("rules", f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    header = rows[0]
    for row in rows[1:]:
        if len(row) != len(header):
            raise ValueError(f"rules/{name}.tsv: {row} has {len(row)} columns, the header has {len(header)}.")
    return tuple(dict(zip(header, row, strict=True)) for row in rows[1:])


def phrase(text: str) -> str:
    """The regular expression of one phrase; it holds no capturing group."""
    pieces, pattern = _PIECE.findall(text), ""
    pending = False  # whether a space is due before the next piece
    for piece in pieces:
        if piece in _GAPS:
            pattern += _GAPS[piece]
        elif piece.startswith("["):
            inner = _alternatives(piece[1:-1])
            pattern += f"(?: {inner})?" if pending else f"(?:{inner} )?"
            continue
        else:
            inner = _alternatives(piece[1:-1]) if piece.startswith("(") else _words(piece)
            pattern += (" " if pending else "") + inner
        pending = True
    return pattern


def _alternatives(text: str) -> str:
    return "(?:" + "|".join(_words(choice) for choice in text.split("|")) + ")"


def _words(text: str) -> str:
    return re.escape(text.strip()).replace(r"\ ", " ").replace(r"\*", r"[^\W_]*")


class Phrases:
    """Many phrases as one pattern; `find` says which row each match came from, the longest first."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(sorted(rows, key=lambda row: _length(row["phrase"]), reverse=True))
        if self.rows:
            choices = "|".join(f"({phrase(row['phrase'])})" for row in self.rows)
            self._pattern = re.compile(rf"(?<!\S)(?:{choices})(?!\S)")

    def find(self, plain: str) -> Iterator[tuple[int, int, Row]]:
        """Matches from left to right that do not overlap: (start, end, row)."""
        if not self.rows:
            return
        for match in self._pattern.finditer(plain):
            assert match.lastindex is not None
            yield match.start(), match.end(), self.rows[match.lastindex - 1]


def _length(text: str) -> tuple[int, int]:
    """Phrases of many pieces are tried before those of few, so that "no change in" is found before "no"."""
    return len(_PIECE.findall(text)), len(text)
