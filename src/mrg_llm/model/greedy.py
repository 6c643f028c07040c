"""Greedy search in which studies come and go: one that has ended leaves its row to the next that waits.

Token for token what transformers' `generate` writes, in float32: the same logits processors on the same logits. A row
holds its own tokens only, so nothing depends on the company a study has.
Legend: A rows being written, S tokens read at once, V vocabulary, D width, L layers, K prompts.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.lean import lean, serves
from mrg_llm.model.matrices import Form
from mrg_llm.model.modeling import MRGModel, Seen
from mrg_llm.model.repeats import unrepeated
from mrg_llm.model.sequence import Words
from mrg_llm.model.slab import Slab
from mrg_llm.settings import DecodeSettings

IMPLAUSIBLE = 1e4  # nats: behind every plausible token, in the order of the model's own probabilities
Look = tuple[Seen, Words | None]  # a batch of studies that were seen, and what was known of them beforehand


@dataclass
class Row:
    """A study: what it reads after the constant words, (S, D), what deep prompts add at `start` of that (L, K, D), and
    the tokens written so far. seconds: its share of the steps it was in. unseen: the same study without its film, where
    the search is guided; the two write one text (`ids`), and a step reads both."""

    place: int
    embeddings: Tensor
    added: Tensor | None
    start: int
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    seconds: float = 0.0
    unseen: Row | None = None


def greedy(
    model: MRGModel, looks: Iterable[Look], settings: DecodeSettings,
    grown: Callable[[Row], None] = lambda row: None,
) -> Iterator[Row]:  # fmt: skip
    """The studies of all looks as they end, at most `settings.batch` written at once; the next look is taken when no
    study waits and a row is free. grown: told of a row after each of its tokens."""
    waiting, coming = deque[Row](), rows_of(model, looks, guided=settings.guidance > 0)
    writer = Writer(model, settings, grown)
    while True:
        while len(writer.rows) < settings.batch and (waiting or (batch := next(coming, None)) is not None):
            if not waiting:
                waiting.extend(batch)
            writer.join(alike(waiting, settings.batch - len(writer.rows)))
        if not writer.rows:
            return
        if ended := writer.leave():
            yield from ended
        else:
            writer.step()


def rows_of(model: MRGModel, looks: Iterable[Look], guided: bool = False) -> Iterator[list[Row]]:
    """The rows of each look. guided: each with its like that does not see the film."""
    place = 0
    for seen, context in looks:
        rows = list(made_rows(model, seen, context, place))
        if guided:
            everyone = torch.ones(len(rows), dtype=torch.bool, device=seen.cls.device)
            for row, like in zip(rows, made_rows(model, model.unseen(seen, everyone), context, place), strict=True):
                row.unseen, like.ids = like, row.ids
        place += len(rows)
        yield rows


def made_rows(model: MRGModel, seen: Seen, context: Words | None, place: int) -> Iterator[Row]:
    """What is masked is left out, and so are the constant words, which the slab has already."""
    words = len(model.frame.before)
    inputs, added = model.llm_input(seen, context=context), model.at_every_layer(seen)
    real = inputs.mask.bool()
    for i in range(len(real)):
        yield Row(
            place + i,
            inputs.embeddings[i, words:][real[i, words:]].to(model.language.dtype),
            None if added is None else added[i],
            int(real[i, words : inputs.prompt_start].sum()),
        )


def alike(waiting: deque[Row], most: int) -> list[Row]:
    """The first rows that wait, as long as they can be read together without padding."""
    rows = [waiting.popleft()]
    while waiting and len(rows) < most and shape(waiting[0]) == shape(rows[0]):
        rows.append(waiting.popleft())
    return rows


def shape(row: Row) -> tuple[int, ...]:
    """Tokens to read and where prompts stand among them; the same of its like without the film, which may differ from
    another's where the two films' tokens and contexts add up to the same."""
    own = (len(row.embeddings), row.start)
    return own + shape(row.unseen) if row.unseen else own


class Writer:
    """The studies that are being written (`rows`), and the rows that the slab holds, in its order: theirs, and, where
    the search is guided, those of the same studies without their films, so that the weights are read once for both."""

    def __init__(self, model: MRGModel, settings: DecodeSettings, grown: Callable[[Row], None]):
        self.model, self.language, self.settings, self.grown = model, model.language, settings, grown
        self.eos = model.language.tokenizer.eos_token_id
        self.rules = rules(settings, model.language)
        self.rows: list[Row] = []
        self.held: list[Row] = []
        self.slab = Slab(model.language, model.frame.before)

    def join(self, rows: Sequence[Row]) -> None:
        """These rows, all of one shape, read what they were given and write their first token."""
        begun = time.perf_counter()
        likes = [row.unseen for row in rows if row.unseen]
        logits = [self.begin(kind) for kind in (rows, likes) if kind]
        self.rows += rows
        self.write(rows, self.guided(*logits))
        self.share(begun, rows)

    def begin(self, rows: Sequence[Row]) -> Tensor:
        places = len(self.model.frame.before) + len(rows[0].embeddings) + self.settings.max_new_tokens
        self.slab.grow(len(self.held) + len(rows), places)
        form: Form = "int8" if self.settings.weights == "int8" else "packed"
        self.slab.lean = lean(self.language, form) if serves(self.language) else None
        added = None if rows[0].added is None else torch.stack([row.added for row in rows])
        self.held += rows
        return self.slab.join(torch.stack([row.embeddings for row in rows]), added, rows[0].start)

    def step(self) -> None:
        """Every row reads its last token and writes the next."""
        begun = time.perf_counter()
        last = torch.tensor([[row.ids[-1]] for row in self.held], device=self.language.model.device)
        logits = self.slab.read(self.language.embed(last))
        at = {id(row): place for place, row in enumerate(self.held)}
        kinds = (self.rows, [row.unseen for row in self.rows if row.unseen])
        self.write(self.rows, self.guided(*(logits[[at[id(row)] for row in kind]] for kind in kinds if kind)))
        self.share(begun, self.rows)

    def guided(self, *logits: Tensor) -> Tensor:
        """What the film has moved is moved further: log p + w (log p - log p without the film) (classifier-free
        guidance, arXiv 2207.12598; for language models, arXiv 2306.17806). Where two tiny probabilities are divided,
        anything comes out: what is not plausible by itself (contrastive decoding, arXiv 2210.15097) is not moved, and
        comes after all that is."""
        if len(logits) == 1:
            return logits[0]
        seen, unseen = (values.float().log_softmax(-1) for values in logits)
        moved = seen + self.settings.guidance * (seen - unseen)
        if not self.settings.plausible:
            return moved
        least = seen.amax(-1, keepdim=True) + math.log(self.settings.plausible)
        return torch.where(seen >= least, moved, seen - IMPLAUSIBLE)

    def write(self, rows: Sequence[Row], logits_AV: Tensor) -> None:
        """The most likely token of each row, once the rules have changed what is likely."""
        best = None if self.rules else logits_AV.argmax(-1).tolist()
        for a, row in enumerate(rows):
            row.ids.append(best[a] if best else self.ruled(row, logits_AV[a]))
            row.ended = row.ids[-1] == self.eos or len(row.ids) == self.settings.max_new_tokens
            self.grown(row)

    def ruled(self, row: Row, logits_V: Tensor) -> int:
        ids = torch.tensor([row.ids], dtype=torch.long, device=logits_V.device)
        return int(self.rules(ids, logits_V.unsqueeze(0).to(torch.float32, copy=True)).argmax())

    def leave(self) -> list[Row]:
        """The rows that have ended; others take their places."""
        ended = [row for row in self.rows if row.ended]
        self.rows = [row for row in self.rows if not row.ended]
        gone = {id(row) for study in ended for row in (study, study.unseen) if row}
        for place in reversed(range(len(self.held))):
            if id(self.held[place]) in gone:
                self.slab.leave(place)
                self.held[place] = self.held[-1]
                self.held.pop()
        return ended

    @staticmethod
    def share(begun: float, rows: Sequence[Row]) -> None:
        seconds = (time.perf_counter() - begun) / len(rows)
        for row in rows:
            row.seconds += seconds


def rules(settings: DecodeSettings, language: FrozenLanguageModel) -> LogitsProcessorList:
    """What `generate` does to the logits under these settings, in its order."""
    chosen = LogitsProcessorList()
    if settings.repetition_penalty != 1.0:
        chosen.append(RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
    if settings.no_repeat_ngram:
        chosen.append(unrepeated(settings, language))
    if settings.min_new_tokens:
        eos, device = language.tokenizer.eos_token_id, language.model.device
        chosen.append(MinNewTokensLengthLogitsProcessor(0, settings.min_new_tokens, eos, device=device))
    return chosen
