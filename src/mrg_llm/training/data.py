"""What the stages learn from: films, report tokens, and the frozen LLM's features of reports and sentences.

In: the studies of one split. Out: batches of tensors, the same for the same (seed, epoch, step).
Legend: B batch, T report tokens, U different reports, S different sentences, D width of the LLM.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from mrg_llm.errors import DataError
from mrg_llm.films import refuse_other_squares
from mrg_llm.images.pixels import augment
from mrg_llm.model.alignment import normalise_text, split_sentences
from mrg_llm.model.context import context_ids, untold
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.modeling import MRGModel, Seen
from mrg_llm.model.probe import FOLDS
from mrg_llm.model.processing import encode_report, sound_views
from mrg_llm.model.sequence import Words
from mrg_llm.model.spans import marked_tokens, sentence_tokens
from mrg_llm.scoring.anatomy import anatomy_of
from mrg_llm.settings import Settings
from mrg_llm.studies.batches import Batch, FilmCache, ahead, collate, schedule
from mrg_llm.studies.study import Study

NORMAL_WORDS = "normal clear"
SAID_SHARE = (0.005, 0.5)  # of the reports; words that fewer or more of them say are not asked for
MAX_SHARE = 0.3  # of the reports; a word that more of them use to say what is there tells no film from another


class SplitData:
    """One split, ready for training: films are decoded when first needed and kept as 8-bit squares, or read from a pack
    each time."""

    def __init__(self, studies: Sequence[Study], tokenizer, settings: Settings, augmented: bool):
        self.studies = studies
        self.seed = settings.train.seed
        self.learns = augmented
        self.augmented = augmented and settings.data.augment
        self.remembered: list[list[np.ndarray]] = []  # version -> study -> (W, T, C); see memory.py
        vision = settings.model.vision
        refuse_other_squares(studies, vision.side_px, vision.fit)
        self.films = FilmCache(studies, lambda study: sound_views(study, vision.side_px, vision.fit)[0])
        longest = settings.data.max_report_tokens
        self.reports = [encode_report(tokenizer, study.report or "", longest) for study in studies]
        told = settings.model.language
        self.contexts = [context_ids(tokenizer, study, told) for study in studies]
        self.hidden_context = context_ids(tokenizer, untold(studies[0]), told) if studies else []
        self.hide_context = settings.data.hide_context if augmented else 0.0
        self.lengths = [len(r) for r in self.reports]
        self.normal_share = settings.data.normal_share if augmented else 1.0
        # Weights are for learning alone: a validation loss is the mean over tokens, whatever training weighed.
        emphasis = settings.generate.finding_weight if augmented else 1.0
        unlearned = augmented and settings.data.deidentified == "unlearned"
        self.weights = None
        if emphasis != 1 or unlearned:
            reports = (s.report or "" for s in studies)
            self.weights = [token_weights(tokenizer, r, emphasis, unlearned)[:longest] for r in reports]

    def __len__(self) -> int:
        return len(self.studies)

    def read_films(self, progress: Callable[[int], None] = lambda done: None) -> list[str]:
        """Decode every film, and leave out the studies that have none that can be read; returns their ids.

        Raises DataError where no study is left.
        """
        unread = []
        for index in range(len(self)):
            if not self.films.readable(index):
                unread.append(index)
            progress(index + 1)
        left_out = [self.studies[i].id for i in unread]
        if unread and len(unread) == len(self):
            raise DataError(f"no film of {len(self)} studies can be read; run 'mrg data check' on the data")
        kept = [i for i in range(len(self)) if i not in set(unread)] if unread else []
        if kept:
            self.films.keep(kept)
            self.studies = self.films.studies
            for name in ("reports", "lengths", "contexts", "weights"):
                values = getattr(self, name)
                setattr(self, name, values and [values[i] for i in kept])
        return left_out

    def steps_per_epoch(self, batch: int) -> int:
        return len(range(0, len(self.of_epoch(0)), batch))

    def of_epoch(self, epoch: int) -> Sequence[int]:
        """The studies that an epoch sees: those with a finding, and a share of the others, different ones each time and
        at least one, for where all are normal a small share of a few would be none."""
        if self.normal_share == 1:
            return range(len(self))
        rng = np.random.default_rng([self.seed, epoch, 2])
        normal = rng.permutation(self.normal)[: max(1, round(self.normal_share * len(self.normal)))]
        return sorted(set(range(len(self))) - set(self.normal) | set(normal.tolist()))

    @cached_property
    def folds(self) -> np.ndarray:
        """(S,) which probe has not seen a study: the same for all studies of a patient."""
        return np.array([int(sha256((s.patient or s.id).encode()).hexdigest(), 16) % FOLDS for s in self.studies])

    @cached_property
    def normal(self) -> list[int]:
        """The studies whose report claims no finding."""
        return [i for i, study in enumerate(self.studies) if not located(study.report or "", "present")]

    def plan(self, batch: int, first_step: int, steps: int, alike: bool = True) -> Iterator[tuple[int, list[int]]]:
        """(epoch, studies) of the same steps, for one process."""
        lengths = self.lengths if alike else [0] * len(self)
        return schedule(lengths, batch, self.seed, first_step, steps, self.of_epoch)

    def batches(
        self, batch: int, first_step: int, steps: int, share: tuple[int, int] = (0, 1), alike: bool = True
    ) -> Iterator[Batch]:
        """Steps first_step..steps-1 of a stage. share: (rank, processes), each process takes its part of a batch.
        alike: reports of like length go together, which saves padding where reports are read; short ones are normal and
        long ones are not, so what compares the studies of a batch with each other wants them mixed."""
        rank, processes = share
        plan = self.plan(batch * processes, first_step, steps, alike)
        return ahead(self.make, ((epoch, indices[rank::processes] or indices[:1]) for epoch, indices in plan))

    def make(self, epoch: int, indices: Sequence[int]) -> Batch:
        if self.remembered:
            version = self.remembered[epoch % len(self.remembered)]
            films = [version[i] for i in indices]
        else:
            films = [self.film(i, epoch) for i in indices]
        weights = [self.weights[i] for i in indices] if self.weights else None
        contexts = [self.context(i, epoch) for i in indices]
        batch = collate(indices, films, [self.reports[i] for i in indices], weights, contexts)
        return replace(batch, folds=self.folds[list(indices)]) if self.learns else batch

    def context(self, index: int, epoch: int) -> list[int]:
        hidden = np.random.default_rng([self.seed, epoch, index, 1]).random() < self.hide_context
        return self.hidden_context if hidden else self.contexts[index]

    def film(self, index: int, epoch: int) -> np.ndarray:
        films = self.films[index]
        if not self.augmented:
            return films
        rng = np.random.default_rng([self.seed, epoch, index])
        return np.stack([augment(film, rng) for film in films])


@dataclass(frozen=True)
class TextBank:
    """What the frozen LLM makes of every different report (U, D) and sentence (S, D), which study has which, and what
    is true of which study according to its report.

    report_of: the row of each study's report. present (studies, Q): the findings a report names, Q of them in all.
    sentences_of: rows a study. claims, denials: of each sentence, the findings it says are present and absent. A study
    for which nothing could be read out of a sentence has that sentence only where it stands in its report.
    vocabulary (W): token ids; words (studies, W): 1 where a token is a telling word of what the report says is there.
    spoken (X): token ids of words that some reports say and some do not; said (studies, X): 1 where one is said.
    """

    report_features: Tensor
    report_of: tuple[int, ...]
    present: Tensor
    sentence_features: Tensor
    sentences_of: tuple[tuple[int, ...], ...]
    claims: Tensor
    denials: Tensor
    vocabulary: Tensor
    words: Tensor
    spoken: Tensor
    said: Tensor

    @classmethod
    def build(
        cls, studies: Sequence[Study], language: FrozenLanguageModel, layers: int | None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> TextBank:  # fmt: skip
        """Run the frozen LLM once over every different text. progress: told how many of how many texts are done."""
        texts = [study.report or "" for study in studies]
        reports, report_of = unique([[text] for text in texts])
        sentences, sentences_of = unique([split_sentences(text) for text in texts])
        named = [located(text, "present") for text in texts]
        claims = [located(sentence, "present") for sentence in sentences]
        denials = [located(sentence, "absent") for sentence in sentences]
        columns = columns_of([*named, *claims, *denials])
        total = len(reports) + len(sentences)
        return cls(
            language.text_features(reports, layers, progress=lambda done: progress(done, total)),
            tuple(rows[0] for rows in report_of),
            indicator(named, columns),
            language.text_features(sentences, layers, progress=lambda done: progress(len(reports) + done, total)),
            sentences_of,
            indicator(claims, columns),
            indicator(denials, columns),
            *telling_words(texts, language.tokenizer),
            *spoken_words(texts, language.tokenizer),
        )

    def truth(self, indices: Sequence[int], rows: Sequence[int]) -> Tensor:
        """(studies, sentences) bool: whether a sentence is true of a study.

        A report is read as a closed world: a finding it does not name is not there. So "no effusion" is true of every
        film whose report names no effusion, whether or not it says so; in whatever words a sentence says a thing, it
        is true where that thing is.
        """
        present = self.present[list(indices)]
        claims, denials = self.claims[list(rows)], self.denials[list(rows)]
        true = (present @ claims.T == claims.sum(1)) & (present @ denials.T == 0)
        silent = (claims.sum(1) + denials.sum(1)) == 0
        own = torch.tensor([[row in self.sentences_of[i] for row in rows] for i in indices])
        return torch.where(silent.unsqueeze(0), own, true)


def token_weights(tokenizer, report: str, emphasis: float, unlearned: bool = False) -> list[float]:
    """What each token of `encode_report` weighs: `emphasis` in sentences that claim a finding, 1 elsewhere, and 0 in
    de-identification marks that are unlearned.

    Most of a report is what could be written without looking; without emphasis the film is worth too little to be
    learned.
    """
    sentences, numbers = sentence_tokens(tokenizer, report)
    claims = {i for i, sentence in enumerate(sentences) if located(sentence, "present")}
    weights = [emphasis if number in claims else 1.0 for number in numbers]
    for token in marked_tokens(tokenizer, report) if unlearned else ():
        weights[token] = 0.0
    return weights


def telling_words(reports: Sequence[str], tokenizer) -> tuple[Tensor, Tensor]:
    """(W,) token ids and (reports, W) float: the words with which each report says what is there.

    Taken from sentences that claim a finding; a report that claims none is told by NORMAL_WORDS. Words that many
    reports share tell nothing and are left out.
    """
    said = [" ".join(s for s in split_sentences(r) if located(s, "present")) or NORMAL_WORDS for r in reports]
    tokens = tokens_said(said, tokenizer)
    shared = Counter(token for group in tokens for token in group)
    most = MAX_SHARE * len(reports)
    normal = frozenset(tokenizer(f" {NORMAL_WORDS}", add_special_tokens=False).input_ids)
    kept = {t for t, n in shared.items() if (n <= most or t in normal) and len(tokenizer.decode([t]).strip()) >= 3}
    columns = {token: i for i, token in enumerate(sorted(kept))}
    table = indicator([group & kept for group in tokens], columns)
    return torch.tensor(sorted(kept) or [tokenizer.eos_token_id]), table


def located(text: str, polarity: str) -> frozenset[tuple[str, str, str]]:
    """(site, side, observation) of everything a text says is present, or absent (then on whichever side)."""
    quadruples = (q for q in anatomy_of(text) if q.polarity == polarity)
    found = {(q.site, q.side or "", q.observation) for q in quadruples}
    return frozenset(found | {("", "", observation) for _, _, observation in found})


def tokens_said(texts: Sequence[str], tokenizer, longest: int | None = None) -> list[frozenset[int]]:
    """Of each text, in lower case, the tokens that it has; of its first `longest` alone."""
    return [frozenset(tokenizer(f" {text.lower()}", add_special_tokens=False).input_ids[:longest]) for text in texts]


def spoken_words(reports: Sequence[str], tokenizer) -> tuple[Tensor, Tensor]:
    """(X,) token ids of words that neither hardly any nor most reports say, and (reports, X) float: which say them."""
    tokens = tokens_said(reports, tokenizer)
    counts = Counter(token for group in tokens for token in group)
    fewest, most = (share * len(reports) for share in SAID_SHARE)
    words = {t: tokenizer.decode([t]).strip() for t, n in counts.items() if fewest <= n <= most}
    kept = sorted(t for t, word in words.items() if word.isalpha() and len(word) >= 3)
    table = indicator([group & frozenset(kept) for group in tokens], {token: i for i, token in enumerate(kept)})
    return torch.tensor(kept or [tokenizer.eos_token_id]), table


def columns_of(groups: Sequence[frozenset]) -> dict:
    """Everything that any group has, in order, and its column of an `indicator`."""
    return {finding: i for i, finding in enumerate(sorted({f for group in groups for f in group}))}


def indicator(groups: Sequence[frozenset], columns: dict) -> Tensor:
    """(groups, columns) float: 1 where a group has the column's finding."""
    table = torch.zeros(len(groups), max(1, len(columns)))
    for row, group in enumerate(groups):
        for finding in group:
            table[row, columns[finding]] = 1.0
    return table


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
    """A batch on the model's device: films (B, W, side, side) in 0..1, or what the encoder's frozen layers made of them
    (B, W, N, C); views (B, W), report ids, mask and weights (B, T), what is told beside the films, and of training
    studies the folds (B,)."""

    indices: tuple[int, ...]
    films: Tensor
    remembered: bool
    views: Tensor
    report_ids: Tensor
    report_mask: Tensor
    report_weights: Tensor
    context: Words
    folds: Tensor | None = None

    def look(self, model: MRGModel) -> Seen:
        return (model.see_from if self.remembered else model.see)(self.films, self.views, self.folds)


def on_device(batch: Batch, device) -> TensorBatch:
    arrays = (batch.films, batch.views, batch.report_ids, batch.report_mask, batch.report_weights, batch.context_ids,
              batch.context_mask)  # fmt: skip
    films, views, ids, mask, weights, *context = (torch.from_numpy(a).to(device) for a in arrays)
    remembered = films.dtype != torch.uint8
    films = films.float() if remembered else films.float() / 255
    folds = None if batch.folds is None else torch.from_numpy(batch.folds).to(device)
    return TensorBatch(batch.indices, films, remembered, views, ids, mask, weights, Words(*context), folds)
