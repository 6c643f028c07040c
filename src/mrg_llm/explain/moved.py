"""How far did this film move each prompt of the promptbook?

In: a reporter, films. Out: for each of K prompts the distance of P' from the book, and from what training films make
of it on average. Unit: the spread of the LLM's word embeddings that the prompts started from (root mean square over
dimensions), so 1 means that a prompt is as far from its start as one word is from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mrg_llm.model.processing import Reporter, Shown, sound_views, to_model
from mrg_llm.studies.batches import stack_views
from mrg_llm.studies.study import Study

USUAL = 64  # training studies whose mean stands for all of them
BATCH = 16


@dataclass(frozen=True)
class Moved:
    """from_book, from_usual: (K,) float; from_usual is None where no training studies were given."""

    from_book: np.ndarray
    from_usual: np.ndarray | None = None


def moved_prompts(reporter: Reporter, shown: Shown, training: Sequence[Study] = ()) -> Moved | None:
    """None for a model whose prompts no film moves. training: studies to compare with; the first USUAL of an even
    spread are looked at."""
    book = reporter.model.promptbook
    if book is None or not reporter.model.customizes:
        return None
    own_KD, unit = prompts(reporter, [shown.squares])[0], float(book.get_buffer("unit"))
    usual_KD = usual_prompts(reporter, training[:: max(1, len(training) // USUAL)][:USUAL])
    return Moved(distance(own_KD - book.book_KD, unit), None if usual_KD is None else distance(own_KD - usual_KD, unit))


def usual_prompts(reporter: Reporter, studies: Sequence[Study]) -> Tensor | None:
    """The mean P' of these studies, (K, D); None where none of their films can be read."""
    vision = reporter.vision
    films = [sound_views(study, vision.side_px, vision.fit)[0] for study in studies]
    films = [squares for squares in films if len(squares)]
    rows = [prompts(reporter, films[start : start + BATCH]) for start in range(0, len(films), BATCH)]
    return torch.cat(rows).mean(0) if rows else None


@torch.no_grad()
def prompts(reporter: Reporter, films: Sequence[np.ndarray]) -> Tensor:
    """P' of each study, (B, K, D)."""
    seen = reporter.model.see(*to_model(stack_views(films), reporter.model.vision.mean.device))
    assert seen.prompts is not None
    return seen.prompts


def distance(change_KD: Tensor, unit: float) -> np.ndarray:
    return (change_KD / unit).square().mean(-1).sqrt().detach().float().cpu().numpy()
