"""Studies and their decoded films -> a pack, shard by shard; whatever stops it, the same call goes on where it stood.

A shard is flushed to the disk under its name, then its lines of the index, then the line of the journal that makes both
count. So a kill or a power cut costs the shard in hand, and what is half written is cut off by the next call. The
result is the same bytes, disturbed or not, by however many workers the films were decoded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from mrg_llm.errors import DataError
from mrg_llm.files import aside_of, flush, put_in_place, write_whole
from mrg_llm.studies.pack.disk import alone, append, cut, writing
from mrg_llm.studies.pack.layout import FORMAT, INDEX, JOURNAL, MANIFEST, Square, line_of, row_of, shard_name
from mrg_llm.studies.pack.state import Packed, Recipe, Shard, packed_so_far
from mrg_llm.studies.pack.verify import sha256_of
from mrg_llm.studies.study import Study, StudySet

Decode = Callable[[Sequence[Study]], Iterable[Sequence[Square | str]]]
"""Studies -> of each, in order, its views' squares; a sentence where a film cannot be read."""


def write_pack(
    pack: Path, studies: StudySet, recipe: Recipe, decode: Decode, progress: Callable[[int], None] = lambda done: None
) -> Packed:
    """Pack all studies, or those that an earlier call did not reach. progress: told how many views are done.

    Raises DataError for a folder that holds something else or a pack of another recipe, and where no film can be read;
    ResourceError where the disk is full or cannot be written.
    """
    packed_so_far(pack, recipe)  # refuse before anything is written
    with writing(pack), alone(pack):
        found = packed_so_far(pack, recipe)
        if not found.complete:
            start(pack, recipe, found)
            found = Packed((*found.shards, *new_shards(pack, studies, recipe, found, decode, progress)), True)
            finish(pack, studies, recipe, found)
        (pack / JOURNAL).unlink(missing_ok=True)
    return found


def start(pack: Path, recipe: Recipe, found: Packed) -> None:
    """A manifest that says the pack is not whole; index and journal cut to what counts."""
    if not (pack / MANIFEST).exists():
        write_manifest(pack, {"format": FORMAT, "recipe": asdict(recipe), "complete": False})
    cut(pack / INDEX, found.shards[-1].index_bytes if found.shards else 0)
    cut(pack / JOURNAL, sum(len(line_of(asdict(shard))) for shard in found.shards))


def new_shards(
    pack: Path, studies: StudySet, recipe: Recipe, found: Packed, decode: Decode, progress: Callable[[int], None]
) -> list[Shard]:
    """Write what is not there yet."""
    shards: list[Shard] = []
    rest = studies.studies[found.studies :]
    done = found.films + found.unreadable
    shard = None
    try:
        for study, squares in zip(rest, decode(rest), strict=True):
            shard = shard or OpenShard(pack, (*found.shards, *shards))
            shard.add(study, squares)
            done += len(study.views)
            progress(done)
            if max(shard.films, shard.studies) >= recipe.films_per_shard:
                shards.append(shard.close())
                shard = None
        if shard:
            shards.append(shard.close())
    finally:
        if shard:
            shard.drop()
    return shards


def finish(pack: Path, studies: StudySet, recipe: Recipe, packed: Packed) -> None:
    if not packed.films:
        raise DataError(f"no film of {studies.source} can be read; run: mrg data check {studies.source}")
    manifest = {
        "format": FORMAT, "recipe": asdict(recipe), "complete": True, "studies": len(studies),
        "index_sha256": sha256_of(pack / INDEX), "shards": [asdict(shard) for shard in packed.shards],
        "notes": [asdict(note) for note in studies.notes],
    }  # fmt: skip
    write_manifest(pack, manifest)


def write_manifest(pack: Path, manifest: dict[str, Any]) -> None:
    write_whole(pack / MANIFEST, json.dumps(manifest, indent=1).encode())


class OpenShard:
    """The shard in hand: squares go to a file of another name, lines of the index wait."""

    def __init__(self, pack: Path, before: Sequence[Shard]):
        self.pack, self.number = pack, len(before)
        self.path = pack / shard_name(self.number)
        self.file: BinaryIO = aside_of(self.path).open("wb")
        self.sha256 = hashlib.sha256()
        self.lines: list[bytes] = []
        self.index_bytes = before[-1].index_bytes if before else 0
        self.films = self.unreadable = 0

    @property
    def studies(self) -> int:
        return len(self.lines)

    def add(self, study: Study, squares: Sequence[Square | str]) -> None:
        self.lines.append(line_of(row_of(study, [self.place(square) for square in squares])))

    def place(self, square: Square | str) -> dict[str, Any]:
        """Write a square; says where it lies."""
        if isinstance(square, str):
            self.unreadable += 1
            return {"problem": square}
        data = square.pixels.tobytes()
        self.file.write(data)
        self.sha256.update(data)
        self.films += 1
        return {"shard": self.number, "film": self.films - 1, "rows": square.rows, "columns": square.columns}

    def drop(self) -> None:
        """Whatever stops a packing short of a kill leaves no half shard on a disk that may be full."""
        aside_of(self.path).unlink(missing_ok=True)
        self.file.close()

    def close(self) -> Shard:
        """Make it count."""
        flush(self.file)
        self.file.close()
        put_in_place(aside_of(self.path), self.path)
        lines = b"".join(self.lines)
        append(self.pack / INDEX, lines)
        size = self.index_bytes + len(lines)
        shard = Shard(self.studies, self.films, self.unreadable, size, self.sha256.hexdigest())
        append(self.pack / JOURNAL, line_of(asdict(shard)))
        return shard
