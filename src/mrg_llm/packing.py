"""`mrg data pack`: a source of studies -> a pack. Here packs, which know no images, meet the decoders.

Films are decoded in processes of their own, one for each worker; a thread a worker feeds its process and makes squares
of what comes back.
"""

from __future__ import annotations

import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from mrg_llm.errors import DataError, ImageError, ResourceError, SettingsError
from mrg_llm.films import Read, film_of, refuse_other_squares
from mrg_llm.images.pixels import FITS, to_square_uint8
from mrg_llm.images.sandbox import Sandbox
from mrg_llm.studies import StudySet
from mrg_llm.studies.pack import Packed, Recipe, Square, damaged, packed_so_far, write_pack
from mrg_llm.studies.study import Study, View

AHEAD = 8  # studies decoded before they are written, a worker: what memory is spent on
TRIES = 2
FEWEST_PX = 8


@dataclass(frozen=True)
class Plan:
    """What would be packed: views in all and those that an earlier call has done, bytes still to write and free."""

    studies: int
    views: int
    done: int
    shards: int
    bytes: int
    free: int

    def __str__(self) -> str:
        done = f", {self.done:,} of them are packed already" if self.done else ""
        return (
            f"{self.studies:,} studies, {self.views:,} films{done}; at most {decimal(self.bytes)} to write in "
            f"{self.shards:,} shards, {decimal(self.free)} are free"
        )


def plan(out: Path, studies: StudySet, recipe: Recipe) -> Plan:
    """Raises SettingsError for a recipe that makes no sense, DataError for a folder that holds something else."""
    if recipe.fit not in FITS or recipe.side_px < FEWEST_PX or recipe.films_per_shard < 1:
        raise SettingsError(
            f"squares of {recipe.side_px} px with fit {recipe.fit!r} were asked for; give at least {FEWEST_PX} px "
            f"and {' or '.join(FITS)}"
        )
    refuse_other_squares(studies.studies, recipe.side_px, recipe.fit)  # a pack can be packed again, smaller
    found = packed_so_far(out, recipe)
    views = sum(len(study.views) for study in studies)
    done = views if found.complete else found.films + found.unreadable
    left = views - done
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    return Plan(
        len(studies), views, done, -(-left // recipe.films_per_shard), left * recipe.side_px**2,
        shutil.disk_usage(place).free + sum(path.stat().st_size for path in out.glob(".*.partial")),  # of a kill
    )  # fmt: skip


def pack(
    out: Path, studies: StudySet, recipe: Recipe, workers: int = 2, progress: Callable[[int], None] = lambda done: None
) -> Packed:
    """Pack the studies, or what is left of them. progress: told how many views are done.

    Raises what `plan` and `write_pack` raise; ResourceError before anything is written where the disk has no room.
    """
    asked = plan(out, studies, recipe)
    if asked.bytes > asked.free:
        raise ResourceError(
            f"{out} needs {decimal(asked.bytes)} and its disk has {decimal(asked.free)} free; make room, choose "
            "another disk, or a smaller --side-px"
        )
    progress(asked.done)
    return write_pack(
        out, studies, recipe, lambda rest: squares_of(rest, recipe.side_px, recipe.fit, workers), progress
    )


def refuse_damaged(spec: str) -> None:
    """Raises DataError where the data is a pack of which a byte was changed. Reads the pack once."""
    kind, _, root = spec.partition(":")
    changed = damaged(Path(root).expanduser()) if kind == "pack" else []
    if changed:
        raise DataError(
            f"{root} is damaged: {', '.join(changed)} differ from the manifest; copy or pack the data again"
        )


def squares_of(studies: Sequence[Study], side_px: int, fit: str, workers: int) -> Iterator[list[Square | str]]:
    """Of each study, in order, its views' squares, or a sentence for a film that cannot be read."""
    own = threading.local()
    boxes: list[Sandbox] = []

    def open_box() -> None:
        own.box = Sandbox()
        boxes.append(own.box)

    def look(study: Study) -> list[Square | str]:
        return [square(view, side_px, fit, own.box.read) for view in study.views]

    pool = ThreadPoolExecutor(max_workers=workers, initializer=open_box)
    waiting: deque[Future[list[Square | str]]] = deque()
    try:
        for study in studies:
            waiting.append(pool.submit(look, study))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        for box in boxes:
            box.close()


def square(view: View, side_px: int, fit: str, read: Read) -> Square | str:
    """A film that fails is tried again: a pack is kept for long, and a machine is short of memory for a while only."""
    problem = ""
    for _ in range(TRIES):
        try:
            film = film_of(view, read)
            return Square(to_square_uint8(film, side_px, fit), *film.pixels.shape)
        except ImageError as error:
            problem = str(error)
    return problem
