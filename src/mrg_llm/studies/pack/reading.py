"""`pack:FOLDER` -> `StudySet`, without opening a film; and a film's square, when it is needed.

A square is read with one plain read. A memory map would save some 40 microseconds of a film, of the 500 that averaging
it to another side takes; but a shard that is cut short, or a disk that fails, would end the process by a signal, and
here it is a sentence.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from mrg_llm.errors import DataError
from mrg_llm.studies.pack.layout import INDEX, load_manifest, shard_name, study_of
from mrg_llm.studies.study import InPack, Note, Study, StudySet


def read_pack(root: Path) -> StudySet:
    """The studies of a pack as the source had them, in its order and with its notes.

    A film that could not be read when the pack was made is a view with a problem. Raises DataError for a pack that is
    not finished, lacks a shard, or whose index was changed; the bytes of the shards are for `damaged` to look at.
    """
    manifest = load_manifest(root)
    if not manifest.get("complete"):
        raise DataError(
            f"{root} was not packed to its end; give the 'mrg data pack' command again, it goes on from there"
        )
    try:
        made = manifest["recipe"]
        side_px, fit, split_by = int(made["side_px"]), str(made["fit"]), made["split_by"]
        films = [int(shard["films"]) for shard in manifest["shards"]]
        notes = tuple(Note(note["rule"], tuple(note["ids"])) for note in manifest["notes"])
        count, expected = int(manifest["studies"]), manifest["index_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the manifest of {root} is damaged ({type(error).__name__}); pack the data again") from error
    shards = [root / shard_name(number) for number in range(len(films))]
    for shard, held in zip(shards, films, strict=True):
        refuse_other_size(shard, held * side_px**2)
    studies, digest = read_index(root / INDEX, shards, films, side_px, fit)
    if digest != expected or len(studies) != count:
        raise DataError(f"{root / INDEX} is not as it was written; copy the pack again, or pack the data again")
    return StudySet(f"pack:{root}", tuple(studies), notes, split_by)


def read_index(
    path: Path, shards: list[Path], films: list[int], side_px: int, fit: str
) -> tuple[list[Study], str]:  # fmt: skip
    """The studies, and the SHA-256 of the file."""
    studies, digest = [], hashlib.sha256()
    try:
        with path.open("rb") as file:
            for line in file:
                digest.update(line)
                studies.append(study_of(json.loads(line), shards, films, side_px, fit))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        where = f"line {len(studies) + 1} of {path}"
        raise DataError(f"{where} is damaged ({type(error).__name__}); copy or pack the data again") from error
    return studies, digest.hexdigest()


def refuse_other_size(shard: Path, expected: int) -> None:
    try:
        size = shard.stat().st_size
    except OSError as error:
        raise DataError(f"{shard} cannot be opened ({error.strerror}); copy or pack the data again") from error
    if size != expected:
        raise DataError(f"{shard} has {size:,} bytes and should have {expected:,}; copy or pack the data again")


def packed_square(place: InPack) -> np.ndarray:
    """(side, side) uint8. Raises DataError for a shard that is gone or was cut short while it was in use."""
    size = place.side_px**2
    try:
        square = np.fromfile(place.shard, np.uint8, size, offset=place.film * size)
    except OSError as error:
        raise DataError(f"{place.shard} cannot be read ({error.strerror}); is its disk still there?") from error
    if len(square) < size:
        raise DataError(f"{place.shard} ends before its film {place.film}; copy or pack the data again")
    return square.reshape(place.side_px, place.side_px)
