"""Facts of films -> flags (which film, for which reason) and rows of the table.

A single odd film is worth a look: training lives with it, or leaves its study out and says so. What forbids training is
a leak (a held-out film that stands in train) and a split that is mostly wrong. docs/data.md explains every row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from mrg_llm.datacheck.opening import FilmFacts
from mrg_llm.images.likeness import VIEW_MARGIN, Likeness
from mrg_llm.studies.check import Row, grouped, held_out, repeated, row
from mrg_llm.studies.study import Study

Flags = Mapping[str, tuple[FilmFacts, ...]]

NARROWEST = 0.2  # a film's shorter side over its longer one; the longest detectors are 0.4
SMALLEST_PX = 64  # of the shorter side: no reader would read such a film
FLATTEST = 0.02  # contrast; a blank exposure has less
UNREADABLE_SHARE = 0.05  # of a split's films, above which training on the rest is another data set
MOSTLY, AT_LEAST = 0.5, 20  # share of a split's films, and how many it must have for that to mean something

UNREADABLE = "films that cannot be read"
STRANGE = "films unlike an ordinary chest film"
NEGATIVE = "films that look like negatives"
MIRRORED = "frontal films that look mirrored (heart on the image's left)"
SAME = "films that stand in the data more than once"


def flags_of(studies: Sequence[Study], films: Sequence[FilmFacts]) -> dict[str, tuple[FilmFacts, ...]]:
    """Reason -> films, the plainest first; reasons in the order to show them, also those that concern no film."""
    places: dict[bytes, list[FilmFacts]] = defaultdict(list)
    for film in films:
        if film.digest:
            places[film.digest].append(film)

    def projection(film: FilmFacts) -> str | None:
        return studies[film.study].views[film.view].projection

    def those(rule: Callable[[FilmFacts, Likeness], bool]) -> tuple[FilmFacts, ...]:
        return tuple(film for film in films if film.looks is not None and rule(film, film.looks))

    found = {
        UNREADABLE: tuple(film for film in films if film.digest is None),
        "films of a shape no chest film has": those(
            lambda f, _: min(f.height, f.width) < NARROWEST * max(f.height, f.width)
        ),
        f"films under {SMALLEST_PX} pixels a side": those(lambda f, _: min(f.height, f.width) < SMALLEST_PX),
        "blank films": those(lambda f, _: f.contrast < FLATTEST),
        STRANGE: those(
            lambda f, looks: not looks.is_chest and looks.posture == "upright" and f.contrast >= FLATTEST
        ),
        NEGATIVE: those(lambda f, looks: looks.posture == "negative" and f.contrast >= FLATTEST),
        "films that lie on their side or upside down": those(
            lambda _, looks: looks.posture in ("on its side", "upside down")
        ),
        "films that look like another view than the data says": those(
            lambda f, looks: looks.is_chest
            and looks.posture == "upright"
            and ((projection(f) == "frontal" and looks.frontal < -VIEW_MARGIN)
                 or (projection(f) == "lateral" and looks.frontal > VIEW_MARGIN))
        ),
        MIRRORED: those(lambda f, looks: looks.is_mirrored and projection(f) != "lateral"),
        SAME: tuple(film for same in places.values() if len(same) > 1 for film in same),
    }  # fmt: skip
    found[STRANGE] = tuple(sorted(found[STRANGE], key=lambda film: film.looks.likeness if film.looks else 0))
    found[MIRRORED] = tuple(sorted(found[MIRRORED], key=lambda film: film.looks.heart if film.looks else 0))
    return found


def film_rows(studies: Sequence[Study], films: Sequence[FilmFacts], flags: Flags) -> Iterable[Row]:
    """What was found in the films."""
    for reason, flagged in flags.items():
        yield row(reason, [name_of(studies, film) for film in flagged], "look")
    lost = shares(studies, films, flags[UNREADABLE])
    yield row(
        f"splits with over {UNREADABLE_SHARE:.0%} of their films unreadable",
        [name for name, (part, _) in lost.items() if part > UNREADABLE_SHARE], "stop",
    )  # fmt: skip
    frontal = [film for film in films if film.looks and film.looks.is_chest and film.looks.is_frontal]
    readable = [film for film in films if film.looks]
    for what, of, flagged in (
        ("splits that are mostly no chest films", readable, flags[STRANGE]),
        ("splits that are mostly negatives", readable, flags[NEGATIVE]),
        ("splits whose frontal films are mostly mirrored", frontal, flags[MIRRORED]),
    ):
        found = shares(studies, of, flagged)
        yield row(what, [name for name, (part, n) in found.items() if part > MOSTLY and n >= AT_LEAST], "stop")
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
    of: dict[str, int] = defaultdict(int)
    for film in films:
        of[studies[film.study].split or "no split"] += 1
    parts = Counter(studies[film.study].split or "no split" for film in flagged)
    return {name: (parts[name] / count, count) for name, count in of.items()}


def name_of(studies: Sequence[Study], film: FilmFacts) -> str:
    return f"{studies[film.study].id}[{film.view}]"
