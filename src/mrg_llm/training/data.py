"""What the stages learn from: films, report tokens, and the frozen LLM's features of reports and sentences.

In: the studies of one split. Out: batches of tensors, the same for the same (seed, epoch, step).
Legend: B batch, T report tokens, U different reports, S different sentences, D width of the LLM.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mrg_llm.images.pixels import augment
from mrg_llm.model.alignment import normalise_text, split_sentences
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.processing import encode_report, read_views
from mrg_llm.scoring.anatomy import anatomy_of
from mrg_llm.settings import Settings
from mrg_llm.studies.batches import Batch, FilmCache, ahead, collate, schedule
from mrg_llm.studies.study import Study


class SplitData:
    """One split, ready for training: films are decoded when first needed and kept as 8-bit squares."""

    def __init__(self, studies: Sequence[Study], tokenizer, settings: Settings, augmented: bool):
        self.studies = studies
        self.seed = settings.train.seed
        self.augmented = augmented and settings.data.augment
        vision = settings.model.vision
        self.films = FilmCache(studies, lambda study: read_views(study, vision.side_px, vision.fit))
        longest = settings.data.max_report_tokens
        self.reports = [encode_report(tokenizer, study.report or "", longest) for study in studies]
        self.lengths = [len(r) for r in self.reports]

    def __len__(self) -> int:
        return len(self.studies)

    def steps_per_epoch(self, batch: int) -> int:
        return len(range(0, len(self), batch))

    def batches(self, batch: int, first_step: int, steps: int, share: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        """Steps first_step..steps-1 of a stage. share: (rank, processes), each process takes its part of a batch."""
        rank, processes = share
        plan = schedule(self.lengths, batch * processes, self.seed, first_step, steps)
        return ahead(self.make, ((epoch, indices[rank::processes] or indices[:1]) for epoch, indices in plan))

    def make(self, epoch: int, indices: Sequence[int]) -> Batch:
        films = [self.film(i, epoch) for i in indices]
        return collate(indices, films, [self.reports[i] for i in indices])

    def film(self, index: int, epoch: int) -> np.ndarray:
        films = self.films[index]
        if not self.augmented:
            return films
        rng = np.random.default_rng([self.seed, epoch, index])
        return np.stack([augment(film, rng) for film in films])


@dataclass(frozen=True)
class TextBank:
    """What the frozen LLM makes of every different report (U, D) and sentence (S, D), and which study has which.

    report_of: the row of each study's report. report_meaning: equal for studies whose reports name the same findings
    at the same places. sentences_of: rows a study; sentence_meaning: equal for sentences that say the same.
    """

    report_features: Tensor
    report_of: tuple[int, ...]
    report_meaning: tuple[int, ...]
    sentence_features: Tensor
    sentences_of: tuple[tuple[int, ...], ...]
    sentence_meaning: tuple[int, ...]

    @classmethod
    def build(cls, studies: Sequence[Study], language: FrozenLanguageModel, layers: int | None) -> TextBank:
        """Run the frozen LLM once over every different text."""
        reports, report_of = unique([[study.report or ""] for study in studies])
        sentences, sentences_of = unique([split_sentences(study.report or "") for study in studies])
        return cls(
            language.text_features(reports, layers),
            tuple(rows[0] for rows in report_of),
            numbered([present_findings(study.report or "") for study in studies]),
            language.text_features(sentences, layers),
            sentences_of,
            numbered([statement(sentence) for sentence in sentences]),
        )


def statement(sentence: str) -> Hashable:
    """What a sentence says, whatever its words: its (site, side, observation, polarity) quadruples; without any, its
    letters. Sentences that say the same are positives of the same films, never negatives."""
    return anatomy_of(sentence) or normalise_text(sentence)


def present_findings(report: str) -> Hashable:
    """What is there according to a report; what it says is absent or normal does not count."""
    return frozenset(q for q in anatomy_of(report) if q.polarity == "present")


def numbered(keys: Sequence[Hashable]) -> tuple[int, ...]:
    """Equal keys get equal numbers, in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)


def unique(texts_of: Sequence[Sequence[str]]) -> tuple[list[str], tuple[tuple[int, ...], ...]]:
    """Different texts, in order of appearance, and the rows of each study; equal means equal letters and digits."""
    rows: dict[str, int] = {}
    texts: list[str] = []
    found = []
    for group in texts_of:
        mine = []
        for text in group:
            key = normalise_text(text)
            if key not in rows:
                rows[key] = len(texts)
                texts.append(text)
            mine.append(rows[key])
        found.append(tuple(dict.fromkeys(mine)))
    return texts, tuple(found)


@dataclass(frozen=True)
class TensorBatch:
    """A batch on the model's device: films (B, W, side, side) in 0..1, views (B, W), report ids and mask (B, T)."""

    indices: tuple[int, ...]
    films: Tensor
    views: Tensor
    report_ids: Tensor
    report_mask: Tensor


def on_device(batch: Batch, device) -> TensorBatch:
    films, views, ids, mask = (
        torch.from_numpy(a).to(device) for a in (batch.films, batch.views, batch.report_ids, batch.report_mask)
    )
    return TensorBatch(batch.indices, films.float() / 255, views, ids, mask)
