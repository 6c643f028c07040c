"""Measure what `mrg data check` tells from pixels: how often it errs on real films, how often it notices what is wrong.

    python scripts/measure_film_check.py iu-xray:PATH [--splits val,test] [--pictures FOLDER] [--seed 0]

The data must say which view is which. Films are turned, mirrored and inverted here; blank films, noise, clouds,
gradients and stripes are drawn; --pictures is a folder of photographs (PNG or JPEG, made gray here; each gives itself
and four parts of itself). The averages of images/likeness.py were found on IU X-ray's training films, so val and test
are what to read. Prints the table of docs/data.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from mrg_llm.images import read_film
from mrg_llm.images.likeness import VIEW_MARGIN, Likeness, likeness, shrunk
from mrg_llm.studies import open_studies

SIDE_PX = 256
Rule = Callable[[Likeness], bool]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the data check tells from pixels.")
    parser.add_argument("data", help="KIND:ROOT that names its views")
    parser.add_argument("--splits", default="val,test", help="whose films to look at")
    parser.add_argument("--pictures", type=Path, help="a folder of photographs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name, pictures in drawn(np.random.default_rng(arguments.seed)).items():
        say(f"{name}, noticed", strange, look(pictures))
    if arguments.pictures:
        say("photographs, noticed", strange, look(photographs(arguments.pictures)))
    for view, films in read(arguments.data, arguments.splits.split(",")).items():
        real_films(view, films)


def real_films(view: str, films: list[np.ndarray]) -> None:
    plain = look(films)
    sign = 1 if view == "frontal" else -1
    say(f"{view}: false alarm, not an ordinary chest film", strange, plain)
    say(f"{view}: false alarm, another view", lambda found: sign * found.frontal < -VIEW_MARGIN, plain)
    say(f"{view}: told as {view}", lambda found: sign * found.frontal > 0, plain)
    say(f"{view}: negatives, noticed", strange, look(1 - film for film in films))
    say(f"{view}: on its side, noticed", strange, look(np.rot90(film) for film in films))
    say(f"{view}: upside down, noticed", strange, look(film[::-1, ::-1] for film in films))
    if view == "frontal":
        say("frontal: false alarm, mirrored", lambda found: found.is_mirrored, plain)
        say("frontal: mirrored, noticed", lambda found: found.is_mirrored, look(film[:, ::-1] for film in films))
        say("frontal: heart told on the image's right", lambda found: found.heart > 0, plain)
        for side in ("left", "right", "both", "neither"):
            say(f"frontal: mark {side}", lambda found, side=side: found.marker == side, plain)


def strange(found: Likeness) -> bool:
    """Blank pictures are flat: they have a row of their own, and are unlike a chest film as well."""
    return not found.is_chest or found.posture != "upright"


def look(pictures: Iterable[np.ndarray]) -> list[Likeness]:
    return [likeness(np.ascontiguousarray(picture)) for picture in pictures]


def say(what: str, rule: Rule, looks: list[Likeness]) -> None:
    hits = sum(map(rule, looks))
    print(f"| {what} | {hits:,} of {len(looks):,} | {100 * hits / max(1, len(looks)):.1f} % |", flush=True)


def read(data: str, splits: Iterable[str]) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {"frontal": [], "lateral": []}
    for study in (s for name in splits for s in open_studies(data).split(name)):
        for view in study.views:
            if view.projection in found:
                found[view.projection].append(read_film(view.path).pixels)
    return found


def drawn(rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """float32 pictures in 0..1."""
    y, x = np.mgrid[0 : 1 : SIDE_PX * 1j, 0 : 1 : SIDE_PX * 1j]
    turns = rng.uniform(0, 2 * np.pi, 100)
    lines = [np.cos(turn) * x + np.sin(turn) * y for turn in turns]
    pictures = {
        "blank": [np.full((SIDE_PX, SIDE_PX), level) + rng.normal(0, 0.004, (SIDE_PX, SIDE_PX))
                  for level in rng.random(100)],
        "noise": [rng.random((SIDE_PX, SIDE_PX)) for _ in range(100)],
        "clouds": [clouds(rng, smooth) for smooth in (0.2, 0.5, 1.0, 1.5) for _ in range(50)],
        "gradients": [stretched(line) for line in lines],
        "stripes": [np.sin(rng.uniform(10, 80) * line) > 0 for line in lines],
    }  # fmt: skip
    return {name: [np.float32(np.clip(one, 0, 1)) for one in some] for name, some in pictures.items()}


def clouds(rng: np.random.Generator, smooth: float) -> np.ndarray:
    """Noise of many sizes; the larger `smooth`, the more the large ones count."""
    sizes = ((rng.normal(size=(2**j, 2**j)).astype(np.float32), 2.0 ** (-j * smooth)) for j in range(1, 8))
    side = (SIDE_PX, SIDE_PX)
    return stretched(
        sum(w * np.asarray(Image.fromarray(one).resize(side, Image.Resampling.BICUBIC)) for one, w in sizes)
    )


def stretched(values) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def photographs(folder: Path) -> Iterator[np.ndarray]:
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg")):
        with Image.open(path) as picture:
            gray = np.asarray(picture.convert("RGB").convert("L"), np.float32) / 255
        height, width = gray.shape
        if min(height, width) < 128:
            continue
        parts = [gray] + [
            gray[int(top * height) : int((top + 0.6) * height), int(left * width) : int((left + 0.6) * width)]
            for top in (0, 0.4) for left in (0, 0.4)
        ]  # fmt: skip
        yield from (shrunk(np.ascontiguousarray(part), SIDE_PX) for part in parts)


if __name__ == "__main__":
    main()
