"""Measure how well a run's familiarity tells chest films from other pictures.

    python scripts/measure_strangers.py iu-xray:PATH --run RUN --pictures FOLDER --scans FOLDER \\
        --phantoms phantom:PATH --out strangers.json

Negatives are the films of --split that the run did not learn from; positives are pictures for which nothing should be
written. --pictures: folders of photographs and textures (PNG, JPEG; each gives itself and four parts of itself);
--scans: folders of DICOM files, of which chest films and what cannot be read as a film are left out. Noise, gradients
and stripes are drawn; films are inverted and turned here. Without --run the familiarity is fitted as training does it,
on 1,000 films of the training split, and --save keeps it. For each group: the share that is refused, and AUROC of the
distance against the negatives; 95 % intervals by bootstrap over studies and over source pictures. Prints the table of
docs/results.md.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrg_llm.errors import ImageError
from mrg_llm.films import film_of
from mrg_llm.images import Film
from mrg_llm.images.sandbox import read_film_untrusted
from mrg_llm.model.familiarity import Familiarity, familiar_films
from mrg_llm.scoring.outputs import write_whole
from mrg_llm.scoring.reliability import auroc
from mrg_llm.scoring.statistics import DRAWS
from mrg_llm.settings import DataSettings
from mrg_llm.starter_card import stranger_table
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import Study
from mrg_llm.training.publish import FAMILIAR_FILE

SIDE_PX, SMALLEST_PX, BATCH = 256, 40, 32
FLAT = 0.01  # standard deviation; a blank frame is no picture
Named = tuple[str, Film]  # which study or source picture it is of


@dataclass(frozen=True)
class Group:
    """Distances of pictures (N,), 1 the limit; refused (N,): beyond it, or familiar in another posture; sources (N,):
    pictures of one source are drawn together."""

    distances: np.ndarray
    refused: np.ndarray
    sources: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well chest films are told from other pictures.")
    parser.add_argument("data", help="KIND:ROOT of the training data")
    parser.add_argument("--run", type=Path, help="a run folder with familiarity.safetensors; none: fit it here")
    parser.add_argument("--save", type=Path, help="without --run: keep what was fitted in this file")
    parser.add_argument("--split", default="val", help="whose films are the negatives")
    parser.add_argument("--studies", type=int, default=150, help="how many of them")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="folders of photographs and textures")
    parser.add_argument(
        "--scans", type=Path, nargs="*", default=[], help="folders of DICOM files that are no chest films"
    )
    parser.add_argument("--phantoms", help="phantom:ROOT of drawn films")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the numbers here, as JSON")
    asked = parser.parse_args()
    familiarity = known(asked)
    studies = open_studies(asked.data).split(asked.split)
    chosen = np.random.default_rng(asked.seed).permutation(len(studies))[: asked.studies]
    films = list(films_of([studies[i] for i in sorted(chosen)]))
    own = measured(familiarity, films)
    strangers = {
        "inverted": [(name, changed(film, lambda p: 1 - p)) for name, film in films],
        "upside down": [(name, changed(film, lambda p: p[::-1, ::-1])) for name, film in films],
        "on their side": [(name, changed(film, np.rot90)) for name, film in films],
        "photographs and textures, and their parts": list(photographs(asked.pictures)),
        **scans(asked.scans),
        **drawn(np.random.default_rng(asked.seed)),
    }
    if asked.phantoms:
        strangers["phantom films"] = list(films_of(open_studies(asked.phantoms).split("val")))
    groups = {name: measured(familiarity, pictures) for name, pictures in strangers.items() if pictures}
    rows = {name: against(group, own, asked.seed) for name, group in groups.items()}
    intervals = {"kind": "bootstrap over studies and source pictures, 95 %", "draws": DRAWS, "seed": asked.seed}
    found = {
        "split": asked.split, "films": len(films), "false_alarms": share(own, asked.seed), "strangers": rows,
        "intervals": intervals,
    }  # fmt: skip
    print("\n".join(stranger_table(found)))
    if asked.out:
        write_whole(asked.out, (json.dumps(found, indent=1) + "\n").encode())


def known(asked: argparse.Namespace) -> Familiarity:
    if asked.run:
        return Familiarity.load(asked.run / FAMILIAR_FILE)
    training = open_studies(asked.data).split("train")
    found = familiar_films(training, DataSettings().familiar_films, asked.seed)
    if found is None:
        raise SystemExit("the training split has too few films to say what a film looks like")
    if asked.save:
        asked.save.write_bytes(found.to_bytes())
    return found


def measured(familiarity: Familiarity, pictures: Sequence[Named]) -> Group:
    films = [film for _, film in pictures]
    judged = [one for start in range(0, len(films), BATCH) for one in familiarity.judged(films[start : start + BATCH])]
    distances = np.array([one.distance for one in judged])
    return Group(distances, np.array([one.refused for one in judged]), np.array([name for name, _ in pictures]))


def against(strangers: Group, own: Group, seed: int) -> dict:
    """How many there are, the share that is refused, and AUROC of the distance against the negatives."""
    rng = np.random.default_rng([seed, 1])
    drawn = [
        told(strangers.distances[resampled(strangers, rng)], own.distances[resampled(own, rng)]) for _ in range(DRAWS)
    ]
    return {
        "n": len(strangers.distances), "sources": len(set(strangers.sources)), "beyond": share(strangers, seed),
        "auroc": interval(told(strangers.distances, own.distances), drawn),
    }  # fmt: skip


def told(strange: np.ndarray, own: np.ndarray) -> float:
    return auroc(np.concatenate([strange, own]), np.arange(len(strange) + len(own)) < len(strange))


def share(group: Group, seed: int) -> dict[str, float]:
    """Of pictures that are refused."""
    rng = np.random.default_rng([seed, 2])
    value = float(group.refused.mean())
    found = interval(value, [float(group.refused[resampled(group, rng)].mean()) for _ in range(DRAWS)])
    # Drawing again from none (or all) shows none (or all): there the exact bound of as many sources (Clopper-Pearson).
    bound = 1 - 0.025 ** (1 / len(set(group.sources)))
    return found | ({"high": bound} if value == 0 else {"low": 1 - bound} if value == 1 else {})


def interval(value: float, drawn: Sequence[float]) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": value, "low": float(low), "high": float(high)}


def resampled(group: Group, rng: np.random.Generator) -> np.ndarray:
    """The pictures (indices) of as many sources, drawn with replacement."""
    _, places = np.unique(group.sources, return_inverse=True)
    order = np.argsort(places, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(places))[:-1])
    return np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])


def films_of(studies: Iterable[Study]) -> Iterator[Named]:
    for study in studies:
        for view in study.views:
            try:
                yield study.id, film_of(view)
            except ImageError:
                continue


def changed(film: Film, change: Callable[[np.ndarray], np.ndarray]) -> Film:
    return Film(np.ascontiguousarray(change(film.pixels)), film.kind, film.bits)


def photographs(folders: Iterable[Path]) -> Iterator[Named]:
    """Every different picture, and its four corners of three fifths of its sides."""
    seen: set[bytes] = set()
    for path in files(folders, (".png", ".jpg", ".jpeg")):
        film = picture(path, seen)
        if film is None:
            continue
        yield path.stem, film
        height, width = film.pixels.shape
        for rows in (slice(0, int(0.6 * height)), slice(int(0.4 * height), height)):
            for columns in (slice(0, int(0.6 * width)), slice(int(0.4 * width), width)):
                yield path.stem, changed(film, lambda p, rows=rows, columns=columns: p[rows, columns])


def scans(folders: Iterable[Path]) -> dict[str, list[Named]]:
    """The different pictures of DICOM files by modality; chest radiographs are left out.

    CT, MR and the like are refused by their tag. Here they are read without it, as they come when saved as pictures.
    """
    import pydicom

    seen: set[bytes] = set()
    found: dict[str, list[Named]] = {}
    for path in files(folders, (".dcm", "")):
        try:
            dataset = pydicom.dcmread(path)
            modality, part = str(dataset.get("Modality")), str(dataset.get("BodyPartExamined"))
            if modality not in ("CT", "MR", "US", "NM", "CR", "DX") or part == "CHEST":
                continue
            dataset.Modality = "OT"
            untagged = io.BytesIO()
            dataset.save_as(untagged)
        except Exception:  # whatever is in the folder that is no DICOM
            continue
        film = picture(untagged.getvalue(), seen)
        if film:
            name = "other x-rays" if modality in ("CR", "DX") else f"{modality} pictures"
            found.setdefault(name, []).append((path.stem, film))
    return dict(sorted(found.items()))


def files(folders: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file()
    )


def picture(source: Path | bytes, seen: set[bytes]) -> Film | None:
    """None for what cannot be read, is tiny or blank, or was there before (the same picture in another coding)."""
    try:
        film = read_film_untrusted(source)
    except ImageError:
        return None
    small = film.pixels[:: max(1, film.pixels.shape[0] // 24), :: max(1, film.pixels.shape[1] // 24)]
    key = hashlib.sha256(np.round(small * 16).astype(np.uint8).tobytes()).digest()
    if key in seen or min(film.pixels.shape) < SMALLEST_PX or film.pixels.std() < FLAT:
        return None
    seen.add(key)
    return film


def drawn(rng: np.random.Generator) -> dict[str, list[Named]]:
    """Pictures of no thing at all."""
    y, x = np.mgrid[0 : 1 : SIDE_PX * 1j, 0 : 1 : SIDE_PX * 1j]
    lines = [np.cos(turn) * x + np.sin(turn) * y for turn in rng.uniform(0, 2 * np.pi, 20)]
    pictures = {
        "noise": [rng.random((SIDE_PX, SIDE_PX)) for _ in range(20)],
        "gradients": [(line - line.min()) / np.ptp(line) for line in lines],
        "stripes": [np.sin(rng.uniform(10, 80) * line) > 0 for line in lines],
    }
    return {
        name: [(str(i), Film(np.float32(one), "png", 8)) for i, one in enumerate(some)]
        for name, some in pictures.items()
    }


if __name__ == "__main__":
    main()
