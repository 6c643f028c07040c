"""Which films are odd, and why: a rule a reason. docs/data.md says what each means and how often it errs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from mrg_llm.datacheck.opening import FilmFacts
from mrg_llm.images.likeness import VIEW_MARGIN, Likeness
from mrg_llm.studies.study import Study

Flags = Mapping[str, tuple[FilmFacts, ...]]
Rule = Callable[[FilmFacts, Likeness, str | None], bool]

NARROWEST = 0.2  # a film's shorter side over its longer one; the longest detectors are 0.4
SMALLEST_PX = 64  # of the shorter side: no reader would read such a film
FLATTEST = 0.02  # contrast; a blank exposure has less

UNREADABLE = "films that cannot be read"
SHAPE = "films of a shape no chest film has"
SMALL = f"films under {SMALLEST_PX} pixels a side"
BLANK = "blank films"
STRANGE = "films unlike an ordinary chest film"
NEGATIVE = "films that look like negatives"
TURNED = "films that lie on their side or upside down"
OTHER_VIEW = "films that look like another view than the data says"
MIRRORED = "frontal films that look mirrored (heart on the image's left)"
SAME = "films that stand in the data more than once"


def is_odd_shape(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    return min(film.height, film.width) < NARROWEST * max(film.height, film.width)


def is_small(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    return min(film.height, film.width) < SMALLEST_PX


def is_blank(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    return film.contrast < FLATTEST


def is_strange(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    """And for no better reason."""
    return not looks.is_chest and looks.posture == "upright" and film.contrast >= FLATTEST


def is_negative(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    return looks.posture == "negative" and film.contrast >= FLATTEST


def is_turned(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    return looks.posture in ("on its side", "upside down") and film.contrast >= FLATTEST


def is_other_view(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    if not looks.is_chest or looks.posture != "upright" or projection is None:
        return False
    return looks.frontal < -VIEW_MARGIN if projection == "frontal" else looks.frontal > VIEW_MARGIN


def is_mirrored(film: FilmFacts, looks: Likeness, projection: str | None) -> bool:
    return looks.is_mirrored and projection != "lateral"


RULES: Mapping[str, Rule] = {
    SHAPE: is_odd_shape, SMALL: is_small, BLANK: is_blank, STRANGE: is_strange, NEGATIVE: is_negative,
    TURNED: is_turned, OTHER_VIEW: is_other_view, MIRRORED: is_mirrored,
}  # fmt: skip


def flags_of(studies: Sequence[Study], films: Sequence[FilmFacts]) -> dict[str, tuple[FilmFacts, ...]]:
    """Reason -> films; reasons in the order to show them, also those that concern no film."""
    flags: dict[str, tuple[FilmFacts, ...]] = {UNREADABLE: tuple(film for film in films if film.looks is None)}
    for reason, rule in RULES.items():
        flags[reason] = tuple(
            film
            for film in films
            if film.looks and rule(film, film.looks, studies[film.study].views[film.view].projection)
        )
    flags[STRANGE] = plainest_first(flags[STRANGE], lambda looks: looks.likeness)
    flags[MIRRORED] = plainest_first(flags[MIRRORED], lambda looks: looks.heart)
    flags[SAME] = same_films(films)
    return flags


def plainest_first(films: Iterable[FilmFacts], value: Callable[[Likeness], float]) -> tuple[FilmFacts, ...]:
    return tuple(sorted(films, key=lambda film: value(film.looks) if film.looks else 0.0))


def same_films(films: Iterable[FilmFacts]) -> tuple[FilmFacts, ...]:
    """Films that another is pixel by pixel, those that are the same side by side."""
    places: dict[bytes, list[FilmFacts]] = defaultdict(list)
    for film in films:
        if film.digest:
            places[film.digest].append(film)
    return tuple(film for same in places.values() if len(same) > 1 for film in same)


def name_of(studies: Sequence[Study], film: FilmFacts) -> str:
    """The id of its study, and its place there, from 0."""
    return f"{studies[film.study].id}[{film.view}]"
