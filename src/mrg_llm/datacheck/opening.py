"""Films of studies -> what was measured on each. Several are decoded at a time; none is kept."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from mrg_llm.errors import ImageError
from mrg_llm.films import Read, film_of
from mrg_llm.images.likeness import Likeness, likeness
from mrg_llm.images.sandbox import Sandbox
from mrg_llm.studies.study import Study, View

P = TypeVar("P")
R = TypeVar("R")
MOST_WORKERS = 4  # each holds a decoder process and a film


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """One film. study: its place among the studies; view: its place in the study. digest: of shape and pixels, None for
    a film that cannot be read, whose other facts mean nothing. brightness, contrast: mean and standard deviation of
    pixels in 0..1."""

    study: int
    view: int
    digest: bytes | None = None
    height: int = 0
    width: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    looks: Likeness | None = None


def look_at_films(
    studies: Sequence[Study], read: Read | None, workers: int | None, progress: Callable[[int], None]
) -> Iterator[FilmFacts]:
    """The facts of every film, in order of study and view."""
    places = ((i, number) for i, study in enumerate(studies) for number in range(len(study.views)))
    workers = workers or min(MOST_WORKERS, os.cpu_count() or 1)
    with readers(read, workers) as idle:

        def look(place: tuple[int, int]) -> FilmFacts:
            reader = idle.get()
            try:
                return facts_of(place, studies[place[0]].views[place[1]], reader)
            finally:
                idle.put(reader)

        for done, facts in enumerate(in_order(look, places, workers), start=1):
            yield facts
            progress(done)


def facts_of(place: tuple[int, int], view: View, read: Read) -> FilmFacts:
    try:
        pixels = film_of(view, read).pixels
    except ImageError:
        return FilmFacts(*place)
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    height, width = pixels.shape
    brightness, contrast = float(pixels.mean()), float(pixels.std())
    return FilmFacts(*place, digest.digest()[:16], height, width, brightness, contrast, likeness(pixels))


@contextmanager
def readers(read: Read | None, count: int) -> Iterator[SimpleQueue[Read]]:
    """A queue of readers, so that no two threads wait for one decoder."""
    idle: SimpleQueue[Read] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(count):
            idle.put(read or stack.enter_context(Sandbox()).read)
        yield idle


def in_order(function: Callable[[P], R], items: Iterable[P], workers: int) -> Iterator[R]:
    """As map, by threads, with few items under way however many there are."""
    pool = ThreadPoolExecutor(workers)
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) > 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
