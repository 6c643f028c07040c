"""Of several sampled reports, the one that the others agree with most (minimum Bayes risk decoding; arXiv 2005.10283).

The single most probable report of a language model is often a poor one: short, or the same for every film. Samples show
what the model believes; the sample that is most like all of them says what it believes on the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

LONGEST = 4  # n-grams of 1 to this many words are compared


class SeededSampling(LogitsProcessor):
    """Turns greedy search into sampling (Gumbel-max): noise is added to the logits, then the largest is taken.

    The noise is a function of (seed, sample, step) alone, so a study gets the same samples alone or in any batch, which
    a sampler with one random state for the whole batch cannot give. Rows are studies x samples, samples together.
    """

    def __init__(self, samples: int, temperature: float, seed: int):
        self.samples, self.temperature = samples, temperature
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        # Exponential noise, for -log of it is a Gumbel variable.
        noise = torch.empty(self.samples, scores.shape[-1]).exponential_(generator=self.random)
        gumbel = -noise.clamp_min(1e-20).log().to(scores.device)
        return scores.float().log_softmax(-1) / self.temperature + gumbel.repeat(len(scores) // self.samples, 1)


def most_agreed(texts: Sequence[str]) -> int:
    """Index of the text with the largest mean likeness to the others; the first of equals."""
    grams = [ngrams(text) for text in texts]
    agreement = [sum(likeness(a, b) for j, b in enumerate(grams) if j != i) for i, a in enumerate(grams)]
    return agreement.index(max(agreement))


def likeness(a: Sequence[Counter], b: Sequence[Counter]) -> float:
    """Mean over n of the F1 of shared n-grams, 0..1; an n that both texts are too short for does not count."""
    sizes = [mine.total() + other.total() for mine, other in zip(a, b, strict=True)]
    shared = [2 * (mine & other).total() for mine, other in zip(a, b, strict=True)]
    values = [common / size for common, size in zip(shared, sizes, strict=True) if size]
    return sum(values) / len(values) if values else 1.0


def ngrams(text: str) -> list[Counter]:
    words = text.lower().replace(".", " . ").replace(",", " , ").split()
    return [Counter(zip(*(words[i:] for i in range(n)), strict=False)) for n in range(1, LONGEST + 1)]
