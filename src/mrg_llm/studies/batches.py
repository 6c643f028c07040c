"""Studies -> batches: which study comes when is a function of (seed, epoch), so a run can be taken up anywhere.

Films are decoded once and kept as 8-bit squares, in memory or in a pack; the augmentation of a film is a function of
(seed, epoch, study).
Reports of like length go together, so that little of a batch is padding.
Legend: B batch, W views, T report tokens, C context tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mrg_llm.studies.study import Study

BUCKETS = 16  # batches that are sorted by length together; more would save little padding and mix studies less

FilmReader = Callable[[Study], np.ndarray]


@dataclass(frozen=True)
class Batch:
    """indices into the split; films (B, W, side, side) uint8, or floats (B, W, ...) where something was made of them
    beforehand; views (B, W) true where a view exists; report ids and mask (B, T), and what each report token weighs in
    the loss (B, T); context ids and mask (B, C), C = 0 where nothing is told beside the films; of training studies the
    folds (B,); all numpy, so that nothing here needs torch."""

    indices: tuple[int, ...]
    films: np.ndarray
    views: np.ndarray
    report_ids: np.ndarray
    report_mask: np.ndarray
    report_weights: np.ndarray
    context_ids: np.ndarray
    context_mask: np.ndarray
    folds: np.ndarray | None = None


class FilmCache:
    """Decodes a study's films on first use and keeps them, but for those in a pack, which are decoded already. `read`
    gives (W, side, side) uint8."""

    def __init__(self, studies: Sequence[Study], read: FilmReader):
        self.studies, self.read = studies, read
        self.kept: dict[int, np.ndarray] = {}
        self.lock = threading.Lock()

    def keep(self, indices: Sequence[int]) -> None:
        """Forget all studies but these, which are numbered anew."""
        self.studies = [self.studies[i] for i in indices]
        self.kept = {number: self.kept[i] for number, i in enumerate(indices) if i in self.kept}

    def __getitem__(self, index: int) -> np.ndarray:
        with self.lock:
            if index in self.kept:
                return self.kept[index]
        study = self.studies[index]
        films = self.read(study)
        if study.in_pack:
            return films
        with self.lock:
            return self.kept.setdefault(index, films)

    def readable(self, index: int) -> bool:
        """Whether a study has a film that can be read; decodes them, where they are not in a pack."""
        study = self.studies[index]
        return any(view.packed for view in study.views) if study.in_pack else len(self[index]) > 0


def epoch_batches(
    lengths: Sequence[int], batch: int, seed: int, epoch: int, chosen: Sequence[int] | None = None
) -> list[list[int]]:
    """The batches of one epoch, as indices: shuffled by (seed, epoch), alike in length inside a batch.

    A last batch that is not full is kept: every study is seen once an epoch, or every chosen one.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths) if chosen is None else np.asarray(chosen))
    window = batch * BUCKETS
    batches: list[list[int]] = []
    for start in range(0, len(order), window):
        alike = sorted(order[start : start + window].tolist(), key=lambda i: lengths[i])
        batches += [alike[i : i + batch] for i in range(0, len(alike), batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def schedule(
    lengths: Sequence[int], batch: int, seed: int, first_step: int, steps: int,
    chosen: Callable[[int], Sequence[int]] | None = None,
) -> Iterator[tuple[int, list[int]]]:  # fmt: skip
    """(epoch, indices) for steps first_step..steps-1 of a stage; the same from wherever it starts. chosen: the studies
    of an epoch, equally many in each; all of them, where it is not given."""
    per_epoch = len(range(0, len(chosen(0) if chosen else lengths), batch))
    step = first_step
    while step < steps:
        epoch = step // per_epoch
        batches = epoch_batches(lengths, batch, seed, epoch, chosen(epoch) if chosen else None)
        for indices in batches[step % per_epoch :][: steps - step]:
            yield epoch, indices
            step += 1


def collate(
    indices: Sequence[int], films: Sequence[np.ndarray], reports: Sequence[Sequence[int]],
    weights: Sequence[Sequence[float]] | None = None, contexts: Sequence[Sequence[int]] | None = None,
) -> Batch:  # fmt: skip
    """Pad views, reports and contexts to the longest of the batch. weights: of the report tokens, 1 where none are
    given."""
    stack, views = stack_views(films)
    ids, mask = padded(reports)
    weighed = mask.astype(np.float32)
    for row, values in enumerate(weights or ()):
        weighed[row, : len(values)] = values
    return Batch(tuple(indices), stack, views, ids, mask, weighed, *padded(contexts or [()] * len(reports)))


def padded(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of token ids padded to the longest, and a mask."""
    T = max(map(len, rows), default=0)
    ids, mask = np.zeros((len(rows), T), np.int64), np.zeros((len(rows), T), bool)
    for row, values in enumerate(rows):
        ids[row, : len(values)], mask[row, : len(values)] = values, True
    return ids, mask


def stack_views(films: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Films (W, ...) of several studies, padded to the largest number of views: (B, W, ...) and a mask (B, W)."""
    W, first = max(len(f) for f in films), films[0]
    stack, views = np.zeros((len(films), W, *first.shape[1:]), first.dtype), np.zeros((len(films), W), bool)
    for row, film in enumerate(films):
        stack[row, : len(film)], views[row, : len(film)] = film, True
    return stack, views


def ahead(
    make: Callable[[int, list[int]], Batch], plan: Iterator[tuple[int, list[int]]], depth: int = 2
) -> Iterator[Batch]:
    """The batches of a plan, each made by a thread while the one before is being used."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = []
        for epoch, indices in plan:
            waiting.append(pool.submit(make, epoch, indices))
            if len(waiting) >= depth:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
