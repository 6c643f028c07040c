"""Facts and flags of films -> rows of the table.

A single odd film is worth a look: training lives with it, or leaves its study out and says so. What forbids training is
a leak (a held-out film that stands in train), a split that lost many of its films, and one that is mostly odd.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mrg_llm.datacheck.flags import (
    BLANK,
    MIRRORED,
    NEGATIVE,
    OTHER_VIEW,
    SHAPE,
    STRANGE,
    TURNED,
    UNREADABLE,
    Flags,
    name_of,
)
from mrg_llm.datacheck.opening import FilmFacts
from mrg_llm.studies.check import Row, grouped, held_out, repeated, row
from mrg_llm.studies.study import Study

UNREADABLE_SHARE = 0.05  # of a split's films, above which training on the rest is another data set
MAJORITY, AT_LEAST = 0.5, 20  # share of a split's films, and how many it must have for that to mean something


def film_rows(studies: Sequence[Study], films: Sequence[FilmFacts], flags: Flags) -> Iterable[Row]:
    """What was found in the films."""
    for reason, flagged in flags.items():
        yield row(reason, [name_of(studies, film) for film in flagged], "look")
    lost = shares(studies, films, flags[UNREADABLE])
    without = [split for split, (share, _) in lost.items() if share > UNREADABLE_SHARE]
    yield row(f"splits with over {UNREADABLE_SHARE:.0%} of their films unreadable", without, "stop")
    readable = [film for film in films if film.looks]
    frontal = [film for film in readable if film.looks and film.looks.is_chest and film.looks.is_frontal]
    for reason in (SHAPE, BLANK, STRANGE, NEGATIVE, TURNED, OTHER_VIEW, MIRRORED):
        found = shares(studies, frontal if reason == MIRRORED else readable, flags[reason])
        mostly = [split for split, (share, count) in found.items() if share > MAJORITY and count >= AT_LEAST]
        yield row(f"splits with a majority of {reason}", mostly, "stop")
    yield from duplicates(studies, films)
    yield from views(studies, films)


def duplicates(studies: Sequence[Study], films: Sequence[FilmFacts]) -> Iterable[Row]:
    """By pixels, so that the same film in another file counts as well."""
    groups = grouped((film.digest, studies[film.study]) for film in films if film.digest)
    yield Row("different films", len(groups))
    within = [group[0].id for group in groups.values() if len({study.id for study in group}) < len(group)]
    yield row("studies that hold the same film twice", within, "look")
    yield row("studies that share a film with another study", repeated(groups), "look")
    yield row("val and test studies with a film that stands in train", held_out(groups), "stop")


def views(studies: Sequence[Study], films: Sequence[FilmFacts]) -> Iterable[Row]:
    """Views the source does not name, as they look; and where frontal films bear a mark."""
    unnamed: Counter[str] = Counter()
    marks: Counter[str] = Counter()
    for film in films:
        if film.looks is None:
            continue
        said = studies[film.study].views[film.view].projection
        looks = "frontal" if film.looks.is_frontal else "lateral"
        if said is None and film.looks.is_chest:
            unnamed[looks] += 1
        if (said or looks) == "frontal":
            marks[film.looks.marker] += 1
    yield from (Row(f"views of unknown projection that look {name}", count) for name, count in sorted(unnamed.items()))
    for side, where in (("left", "the image's left"), ("right", "the image's right"), ("both", "both sides"),
                        ("neither", "neither side")):  # fmt: skip
        if marks:
            yield Row(f"frontal films with a bright mark on {where}", marks[side])


def shares(
    studies: Sequence[Study], films: Iterable[FilmFacts], flagged: Iterable[FilmFacts]
) -> dict[str, tuple[float, int]]:
    """Split -> (share of its films that are flagged, number of its films)."""
    of = Counter(studies[film.study].split or "no split" for film in films)
    parts = Counter(studies[film.study].split or "no split" for film in flagged)
    return {name: (parts[name] / count, count) for name, count in of.items()}
