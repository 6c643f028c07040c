"""Prepared predictions and references -> BLEU-1..4, ROUGE-L and CIDEr as tallies, equal to pycocoevalcap's values.

One pass over the text, no loop over n-grams in Python. One reference a study. What pycocoevalcap does is kept, its
odd corners too: ROUGE-L splits at every single space, so two spaces make an empty token; CIDEr is the clipped,
length-penalised form (CIDEr-D), whose length is counted in bigrams and whose document frequencies come from the
references of this very run, so it changes with the subset that is scored.

Legend: N studies, G distinct n-grams of one length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mrg_llm.scoring.statistics import Tally, means

ORDERS = (1, 2, 3, 4)
LANGUAGE_METRICS = ("bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider")
_SIGMA = 6.0  # of CIDEr's length penalty
_BETA = 1.2  # of ROUGE-L: recall counts 1.44 times as much as precision
_SMALL, _TINY = 1e-9, 1e-15  # pycocoevalcap's guards against 0/0 in BLEU


def language_tallies(predictions: Sequence[str], references: Sequence[str]) -> list[Tally]:
    """BLEU-1..4 (corpus level), ROUGE-L and CIDEr (means over studies) of equally long sequences of token strings."""
    n = len(references)
    lengths_2N, levels = _ngrams([*references, *predictions])
    correct, cider_N = [], np.zeros(n)
    bigrams_N = np.maximum(lengths_2N - 1, 0)
    penalty_N = np.exp(-((bigrams_N[n:] - bigrams_N[:n]) ** 2) / (2 * _SIGMA**2))
    for level in levels:
        split = int(np.searchsorted(level.document, n))
        match, place = _matches(level, split, n)
        hits = np.where(match, np.minimum(level.count[split:], level.count[place]), 0)
        study = level.document[split:] - n
        correct.append(np.bincount(study, hits, minlength=n))
        weight = level.count * _idf(level, split, n)[level.gram]
        norm_2N = np.sqrt(np.bincount(level.document, weight**2, minlength=2 * n))
        product = np.where(match, np.minimum(weight[split:], weight[place]) * weight[place], 0.0)
        below = norm_2N[:n] * norm_2N[n:]
        cosine = np.divide(np.bincount(study, product, minlength=n), below, out=np.zeros(n), where=below != 0)
        cider_N += cosine * penalty_N
    guesses = [np.maximum(lengths_2N[n:] - k + 1, 0) for k in ORDERS]
    stats = np.stack([*correct, *guesses, lengths_2N[n:], lengths_2N[:n]], axis=1).astype(np.float64)
    rouge_N = rouge_l(predictions, references)
    return [Tally(stats, bleu), means({"rouge_l": rouge_N, "cider": cider_N * 10.0 / len(ORDERS)})]


def bleu(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
    """Summed clipped matches (4), n-grams (4), prediction length and reference length -> BLEU-1..4."""
    length_ratio = (sums_DS[:, 8] + _TINY) / (sums_DS[:, 9] + _SMALL)
    with np.errstate(over="ignore"):
        brevity = np.where(length_ratio < 1, np.exp(1 - 1 / length_ratio), 1.0)
    product, values = np.ones(len(sums_DS)), {}
    for k in ORDERS:
        product = product * (sums_DS[:, k - 1] + _TINY) / (sums_DS[:, k + 3] + _SMALL)
        values[f"bleu{k}"] = product ** (1 / k) * brevity
    return values


def rouge_l(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """ROUGE-L of each pair, (N,)."""
    known: dict[tuple[str, str], float] = {}
    for pair in zip(predictions, references, strict=True):
        if pair not in known:
            known[pair] = _rouge_of_pair(pair[0].split(" "), pair[1].split(" "))
    return np.array([known[pair] for pair in zip(predictions, references, strict=True)])


def _rouge_of_pair(prediction: list[str], reference: list[str]) -> float:
    common = _common_subsequence(prediction, reference)
    if not common:
        return 0.0
    precision, recall = common / len(prediction), common / len(reference)
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _common_subsequence(first: list[str], second: list[str]) -> int:
    """Length of the longest common subsequence, a row of the table held in the bits of one integer (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << i
    full = (1 << len(first)) - 1
    row = full
    for token in second:
        hit = row & places.get(token, 0)
        row = (row + hit | row - hit) & full
    return len(first) - row.bit_count()


@dataclass(frozen=True)
class _Level:
    """The n-grams of one length, counted by document, sorted by document, then by n-gram; ids are 0..size-1."""

    document: np.ndarray
    gram: np.ndarray
    count: np.ndarray
    size: int


def _ngrams(texts: Sequence[str]) -> tuple[np.ndarray, list[_Level]]:
    """Tokens of each text, and its n-grams of each length."""
    words: dict[str, int] = {}
    split = [text.split() for text in texts]
    lengths = np.array([len(tokens) for tokens in split], dtype=np.int64)
    flat = np.array([words.setdefault(w, len(words)) for tokens in split for w in tokens], dtype=np.int64)
    document = np.repeat(np.arange(len(texts)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(flat))  # tokens from here to the text's end
    grams, size, levels = flat, len(words), []
    for k in ORDERS:
        if k > 1:
            inside = np.flatnonzero(left >= k)
            longer = np.zeros_like(flat)
            distinct, ids = np.unique(grams[inside] * len(words) + flat[inside + k - 1], return_inverse=True)
            longer[inside] = ids
            grams, size = longer, len(distinct)
        else:
            inside = np.arange(len(flat))
        keys, counts = np.unique(document[inside] * max(size, 1) + grams[inside], return_counts=True)
        levels.append(_Level(keys // max(size, 1), keys % max(size, 1), counts, size))
    return lengths, levels


def _matches(level: _Level, split: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """For each n-gram of a prediction: is it in its reference, and in which row."""
    size = max(level.size, 1)
    reference_keys = level.document[:split] * size + level.gram[:split]
    keys = (level.document[split:] - n) * size + level.gram[split:]
    place = np.minimum(np.searchsorted(reference_keys, keys), max(split - 1, 0))
    match = reference_keys[place] == keys if split else np.zeros(len(keys), dtype=bool)
    return match, place


def _idf(level: _Level, split: int, n: int) -> np.ndarray:
    """log N minus the log of the number of references that hold each n-gram (at least 1), (G,)."""
    frequency = np.bincount(level.gram[:split], minlength=level.size)
    return np.log(float(n)) - np.log(np.maximum(frequency, 1.0))
