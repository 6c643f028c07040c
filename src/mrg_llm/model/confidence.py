"""How sure is each sentence of a draft? Evidence of the model's own, made a probability by a stored calibration.

In: drafts and their films. Out: for each sentence the probability that what it claims is right, None without a
calibration. Evidence: the log-probability of its tokens (mean and least, one teacher-forced pass), and how much the
reports that the model samples for the film agree with it (costly; only where the calibration was fitted with samples).
`mrg calibrate` fits it on validation studies (calibrated.py); guessing what is right takes a labeler, using it none.
Legend: B studies of a batch, T report tokens, N sentences, F features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mrg_llm.errors import CheckpointError
from mrg_llm.model.alignment import split_sentences
from mrg_llm.model.consensus import likeness, ngrams
from mrg_llm.model.context import context_words
from mrg_llm.model.decoding import Draft, sampled_reports
from mrg_llm.model.modeling import MRGModel, Seen
from mrg_llm.model.sequence import Words
from mrg_llm.model.spans import sentence_tokens
from mrg_llm.settings import ConfidenceSettings
from mrg_llm.studies.study import Study

if TYPE_CHECKING:
    from mrg_llm.model.processing import Reporter, Shown

CALIBRATION_FILE = "calibration.json"
LOG_PROBABILITY = ("mean", "least")
AGREEMENT = "agreement"


@dataclass(frozen=True)
class ScoredSentence:
    """confidence: probability that what the sentence claims is right, None where nobody calibrated. marked: it is under
    the threshold and to be shown as uncertain."""

    text: str
    confidence: float | None = None
    marked: bool = False


@dataclass(frozen=True)
class Calibration:
    """A logistic regression over the evidence, and what it was worth on studies that it was not fitted on.

    features: names, in order; means, scales and weights of each. samples, temperature, seed: of the sampled reports,
    0 samples where it needs none. ece: expected calibration error. auroc: chance that a right sentence has a higher
    confidence than a wrong one. right: share of right sentences.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    samples: int
    temperature: float
    seed: int
    ece: float
    auroc: float
    right: float
    sentences: int
    studies: int

    def __post_init__(self) -> None:
        expected = (*LOG_PROBABILITY, AGREEMENT) if self.samples else LOG_PROBABILITY
        sizes = {len(self.means), len(self.scales), len(self.weights)}
        numbers = (*self.means, *self.scales, *self.weights, self.bias)
        if self.features != expected or sizes != {len(expected)} or not np.isfinite(numbers).all() or 0 in self.scales:
            raise ValueError("these are not the numbers of a calibration")

    def confidence(self, evidence_NF: np.ndarray) -> np.ndarray:
        """(N,) probabilities from evidence (N, F)."""
        standard = (evidence_NF - np.array(self.means)) / np.array(self.scales)
        return 1 / (1 + np.exp(-np.clip(standard @ np.array(self.weights) + self.bias, -50, 50)))

    def to_bytes(self) -> bytes:
        """As JSON."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Raises CheckpointError for a file that is not one of ours."""
        try:
            values = json.loads(path.read_text())
            return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged; write it again with 'mrg calibrate {path.parent}'") from error


def sentence_confidences(
    reporter: Reporter, studies: Sequence[Study], shown: Sequence[Shown], drafts: Sequence[Draft]
) -> list[list[ScoredSentence]]:
    """The sentences of each draft of one batch, with what the run's calibration makes of them.

    `reporter.confidence` says what becomes of one under the threshold: it is marked, left out ("drop"), or nothing.
    """
    calibration = reporter.calibration
    if calibration is None:
        return [[ScoredSentence(text) for text in split_sentences(draft.text)] for draft in drafts]
    found = sentence_evidence(reporter, studies, [films.squares for films in shown], drafts, calibration)
    return [judged(texts, calibration.confidence(evidence), reporter.confidence) for texts, evidence in found]


def text_of(draft: Draft, scored: Sequence[ScoredSentence]) -> str:
    """The draft's text without the sentences that were left out."""
    whole = len(scored) == len(split_sentences(draft.text))
    return draft.text if whole else " ".join(sentence.text for sentence in scored)


def judged(
    texts: Sequence[str], confidences: Sequence[float] | np.ndarray, settings: ConfidenceSettings
) -> list[ScoredSentence]:
    """Sentences with their confidence, those under the threshold treated as the settings say."""
    scored = [
        ScoredSentence(text, round(float(value), 4), settings.below == "mark" and value < settings.threshold)
        for text, value in zip(texts, confidences, strict=True)
    ]
    if settings.below == "drop":
        return [s for s in scored if s.confidence is not None and s.confidence >= settings.threshold]
    return scored


def sentence_evidence(
    reporter: Reporter, studies: Sequence[Study], films: Sequence[np.ndarray], drafts: Sequence[Draft],
    sampling: Calibration | ConfidenceSettings,
) -> list[tuple[list[str], np.ndarray]]:  # fmt: skip
    """The sentences of each draft, and (sentences, F) what speaks for them. sampling: how many reports are drawn."""
    model = reporter.model
    seen = reporter.see(studies, films)
    context = context_words(model.language.tokenizer, studies, model.config.language, seen.visual.device)
    rows = log_probabilities(model, seen, [draft.text for draft in drafts], context)
    if sampling.samples:
        how = {"samples": sampling.samples, "temperature": sampling.temperature, "seed": sampling.seed}
        groups = sampled_reports(model, seen, reporter.decode.model_copy(update=how), context)
        rows = [
            (texts, np.column_stack([evidence, agreement(texts, [sample.text for sample in group])]))
            for (texts, evidence), group in zip(rows, groups, strict=True)
        ]
    return rows


@torch.inference_mode()
def log_probabilities(
    model: MRGModel, seen: Seen, texts: Sequence[str], context: Words
) -> list[tuple[list[str], np.ndarray]]:
    """The sentences of each text, and the mean and least log-probability of their tokens, (sentences, 2), nats."""
    tokenizer = model.language.tokenizer
    parted = [sentence_tokens(tokenizer, text) for text in texts]
    ids = [tokenizer(" ".join(text.split()), add_special_tokens=False).input_ids for text in texts]
    longest = max(map(len, ids), default=0) + 1
    padded = torch.full((len(texts), longest), tokenizer.eos_token_id)
    mask = torch.zeros(len(texts), longest, dtype=torch.long)
    for row, tokens in enumerate(ids):
        padded[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        mask[row, : len(tokens) + 1] = 1
    device = seen.visual.device
    losses_BT: Tensor = model.token_losses(seen, padded.to(device), mask.to(device), context).cpu()
    found = []
    for (sentences, numbers), losses in zip(parted, losses_BT.numpy(), strict=True):
        own = [[-losses[t] for t, number in enumerate(numbers) if number == i] for i in range(len(sentences))]
        found.append((sentences, np.array([[np.mean(row), min(row)] for row in own], float).reshape(-1, 2)))
    return found


def agreement(sentences: Sequence[str], samples: Sequence[str]) -> np.ndarray:
    """(sentences,): how like each is to the likest sentence of a sampled report, 0..1, mean over the samples."""
    parted = [[ngrams(s) for s in split_sentences(sample)] for sample in samples]
    grams = [ngrams(sentence) for sentence in sentences]
    return np.array([np.mean([max((likeness(g, s) for s in p), default=0.0) for p in parted]) for g in grams], float)
