"""What a pack is made of, and how far it is: read from its folder, whatever stopped the packing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError
from mrg_llm.files import aside_of
from mrg_llm.studies.pack.layout import JOURNAL, MANIFEST, line_of, load_manifest, row_of
from mrg_llm.studies.study import StudySet

FILMS_PER_SHARD = 4096  # 268 MB of squares of 256 px


@dataclass(frozen=True)
class Recipe:
    """What a pack is made of and how; only the same recipe goes on with it.

    source_sha256: over every field of every study, and the paths of the films (not their bytes).
    """

    source: str
    source_sha256: str
    split_by: str | None
    side_px: int
    fit: str
    films_per_shard: int = FILMS_PER_SHARD

    @classmethod
    def of(cls, studies: StudySet, side_px: int, fit: str, films_per_shard: int = FILMS_PER_SHARD) -> Recipe:
        digest = hashlib.sha256()
        for study in studies:
            digest.update(line_of(row_of(study, [{}] * len(study.views))))
        return cls(studies.source, digest.hexdigest(), studies.split_by, side_px, fit, films_per_shard)


@dataclass(frozen=True)
class Shard:
    """A shard that is safe on the disk: what it holds, and where its part of the index ends."""

    studies: int
    films: int
    unreadable: int
    index_bytes: int
    sha256: str


@dataclass(frozen=True)
class Packed:
    """How far a pack is. unreadable: films that could not be read."""

    shards: tuple[Shard, ...]
    complete: bool

    @property
    def studies(self) -> int:
        return sum(shard.studies for shard in self.shards)

    @property
    def films(self) -> int:
        return sum(shard.films for shard in self.shards)

    @property
    def unreadable(self) -> int:
        return sum(shard.unreadable for shard in self.shards)


def packed_so_far(pack: Path, recipe: Recipe) -> Packed:
    """What is there already. Raises DataError for something else than a pack of this recipe."""
    if not pack.exists() or (pack.is_dir() and all(path == aside_of(pack / MANIFEST) for path in pack.iterdir())):
        return Packed((), False)
    if not pack.is_dir() or not (pack / MANIFEST).is_file():
        raise DataError(f"{pack} holds something that is not a pack; give --out an empty or a new folder")
    manifest = load_manifest(pack)
    try:
        refuse_other_recipe(pack, manifest["recipe"], asdict(recipe))
        lines = manifest["shards"] if manifest["complete"] else journal_lines(pack / JOURNAL)
        return Packed(tuple(Shard(**line) for line in lines), manifest["complete"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{pack} is damaged ({type(error).__name__}); delete it and pack again") from error


def refuse_other_recipe(pack: Path, there: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        before = there.get(name)
        if before == value:
            continue
        if name == "source_sha256":
            raise DataError(f"the studies of {asked['source']} are not those that {pack} was begun with; give --out "
                            "another folder")  # fmt: skip
        raise DataError(f"{pack} was begun with {name} {before}, not {value}; give the same again, or another --out")


def journal_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of the journal, up to one that was cut short: it never counted."""
    found: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found
