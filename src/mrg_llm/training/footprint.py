"""What a run takes of memory: the most that this process has taken while calibrating, and what all the studies add."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import Settings
from mrg_llm.training.data import SplitData, TextBank
from mrg_llm.training.memory import film_bytes, versions_that_fit


@dataclass(frozen=True)
class Footprint:
    """host_bytes: the most that the process holds of the machine's memory; device_bytes: of the GPU's, 0 without."""

    host_bytes: int
    device_bytes: int

    def with_more(self, kept_bytes: int, checkpoint_bytes: int) -> Footprint:
        """With what is kept all along, and at the end of a step for a checkpoint. On a CPU the latter has room where
        the step's activations were."""
        checkpoint = checkpoint_bytes if self.device_bytes else 0
        return Footprint(self.host_bytes + kept_bytes + checkpoint, self.device_bytes)


def used_so_far(device: str) -> Footprint:
    """The most that this process has held since it began."""
    unit = 1 if sys.platform == "darwin" else 1024
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Footprint(host, torch.cuda.max_memory_allocated() if device == "cuda" else 0)


def rest_bytes(
    settings: Settings, model: MRGModel, pool: SplitData, train: SplitData, val: SplitData, bank: TextBank | None
) -> int:
    """What is kept of all the studies beyond those of the pool: squares, what is remembered of them, what the LLM makes
    of their texts."""
    chosen = settings.data
    copies = [versions_that_fit(model, train, chosen.augment_copies, chosen.remember_gib)]
    copies += [versions_that_fit(model, val, 1, chosen.remember_gib)]
    remembered = sum(n * views_of(data) for n, data in zip(copies, (train, val), strict=True)) - views_of(pool)
    squares = unpacked_views(train) + unpacked_views(val) - unpacked_views(pool)
    kept = max(0, remembered) * film_bytes(model) if copies[0] else 0
    return kept + squares * settings.model.vision.side_px**2 + bank_bytes(bank, pool, len(train) + len(val))


def views_of(data: SplitData) -> int:
    return sum(len(study.views) for study in data.studies)


def unpacked_views(data: SplitData) -> int:
    return sum(len(study.views) for study in data.studies if not study.in_pack)


def bank_bytes(bank: TextBank | None, pool: SplitData, studies: int) -> int:
    """Rows grow with the studies, columns of words and findings with their square root (Heaps' law)."""
    if bank is None:
        return 0
    times = studies / len(pool)
    tensors = [value for f in fields(bank) if isinstance(value := getattr(bank, f.name), Tensor)]
    wide = {table.data_ptr() for table in (bank.present, bank.words, bank.said, bank.claims, bank.denials)}
    grown = sum(t.nbytes * times * (times**0.5 if t.data_ptr() in wide else 1) for t in tensors)
    return round(grown - sum(t.nbytes for t in tensors))
