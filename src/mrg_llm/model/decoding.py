"""Embeddings -> report tokens: our greedy search (greedy.py), or beam search or the consensus of samples by
transformers' `generate`, which also serves language models that slab.py does not fit.

Every study of a batch has the same constant words around its image, missing views are masked, and positions count real
tokens, so in float32 a study gets the same report alone or in any batch.
Legend: B batch, T new tokens.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from mrg_llm.errors import SettingsError
from mrg_llm.model.consensus import SeededSampling, most_agreed
from mrg_llm.model.greedy import Look, Row, greedy
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.lean import serves
from mrg_llm.model.matrices import can_pack
from mrg_llm.model.modeling import MRGModel, Seen
from mrg_llm.model.repeats import unrepeated
from mrg_llm.model.sequence import Words
from mrg_llm.model.slab import fits
from mrg_llm.settings import DecodeSettings
from mrg_llm.studies.texts import IMPRESSION_HEAD

STAMMER = re.compile(r"\b(\w+)(?: \1\b){2,}")
SENTENCE_BREAK = re.compile(r"(?<=[.!?])\s+")
SENTENCE_END = re.compile(r"(?<!\d)[.!?]$")  # "a nodule of 1." was cut
FEWEST_WORDS = 3
Told = Callable[[int, str], None]  # a study's place in its batch, and its text so far


@dataclass(frozen=True)
class Draft:
    """One report as it was decoded. ended: false where it was cut at the longest allowed length. seconds: its share of
    the time that it and its company took to write."""

    text: str
    tokens: int
    ended: bool
    seconds: float = field(default=0.0, compare=False)


@torch.inference_mode()
def write_reports(
    model: MRGModel, seen: Seen, settings: DecodeSettings, context: Words | None = None, told: Told | None = None
) -> list[Draft]:
    """A draft for each study of the batch that was seen. context: what was known of them beforehand. told: hears of
    each text as it grows, where one text grows: greedy search; beams and samples are told of at their end only."""
    return list(write_many(model, [(seen, context)], settings, told))


@torch.inference_mode()
def write_many(
    model: MRGModel, looks: Iterable[Look], settings: DecodeSettings, told: Told | None = None
) -> Iterator[Draft]:
    """The drafts of many batches, in the order of their studies. Greedy search looks at the next batch when it has room
    for a study of it; else a batch is written before the next is looked at."""
    refuse_unwritable(model.language, settings)
    if settings.samples == 0 and settings.beams == 1 and fits(model.language):
        drafted = Drafting(model.language.tokenizer, settings.tidy)
        yield from in_order(greedy(model, looks, settings, growing(drafted, told)), drafted)
        return
    for seen, context in looks:
        begun = time.perf_counter()
        if settings.samples == 0:
            drafts = decoded(model, seen, settings, context, told=told if settings.beams == 1 else None)
        else:
            groups = sampled_reports(model, seen, settings, context)
            drafts = [group[most_agreed([d.text for d in group])] for group in groups]
        seconds = (time.perf_counter() - begun) / len(drafts)
        yield from (replace(d, seconds=seconds) for d in drafts)


def refuse_unwritable(language: FrozenLanguageModel, settings: DecodeSettings, now: bool = True) -> None:
    """Raises SettingsError for a search that this language model does not allow. now: it has to write as it is held
    here; else another machine may, or another precision."""
    if now and settings.weights == "int8" and not (fits(language) and serves(language) and can_pack()):
        raise SettingsError(
            "decode.weights = int8 was given, but it takes a language model of the LLaMA family in float32 on an x86 "
            "processor; set it to full"
        )
    if settings.guidance and not fits(language):
        raise SettingsError(
            "decode.guidance was given, but this language model is not of the LLaMA family; set it to 0"
        )
    if settings.no_repeat_ngram:
        unrepeated(settings, language)


def in_order(rows: Iterable[Row], drafted: Drafting) -> Iterator[Draft]:
    """The drafts of rows that end in any order, in the order of their places."""
    kept: dict[int, Draft] = {}
    following = 0
    for row in rows:
        kept[row.place] = replace(drafted(row.ids), seconds=row.seconds)
        while following in kept:
            yield kept.pop(following)
            following += 1


def growing(drafted: Drafting, told: Told | None) -> Callable[[Row], None]:
    return lambda row: told(row.place, drafted(row.ids, growing=True).text) if told else None


@torch.inference_mode()
def sampled_reports(
    model: MRGModel, seen: Seen, settings: DecodeSettings, context: Words | None = None
) -> list[list[Draft]]:
    """`settings.samples` drafts for each study; the same ones whatever batch it is in."""
    S = settings.samples
    drafts = decoded(model, seen, settings, context, SeededSampling(S, settings.temperature, settings.seed))
    return [drafts[i : i + S] for i in range(0, len(drafts), S)]


def decoded(
    model: MRGModel, seen: Seen, settings: DecodeSettings, context: Words | None = None,
    sampling: SeededSampling | None = None, told: Told | None = None,
) -> list[Draft]:  # fmt: skip
    """Drafts, `sampling.samples` of them a study, those of a study together."""
    language = model.language
    inputs = model.llm_input(seen, context=context)
    rows = sampling.samples if sampling else 1
    own = LogitsProcessorList([unrepeated(settings, language)] if settings.no_repeat_ngram else [])
    own += [sampling] if sampling else []
    drafted, eos = Drafting(language.tokenizer, settings.tidy), language.tokenizer.eos_token_id
    with language.deep_prompts(model.at_every_layer(seen), inputs.prompt_start):
        ids_BT = language.model.generate(
            inputs_embeds=inputs.embeddings.to(language.dtype).repeat_interleave(rows, dim=0),
            attention_mask=inputs.mask.repeat_interleave(rows, dim=0),
            do_sample=False,
            num_beams=1 if sampling else settings.beams,
            max_new_tokens=settings.max_new_tokens,
            min_new_tokens=settings.min_new_tokens or None,
            length_penalty=settings.length_penalty,
            repetition_penalty=settings.repetition_penalty,
            logits_processor=own,
            stopping_criteria=StoppingCriteriaList([Telling(drafted, told)] if told else []),
            eos_token_id=eos,
            pad_token_id=eos,
        )
    return [drafted(row) for row in ids_BT.tolist()]


@dataclass(frozen=True)
class Drafting:
    """Token ids of a report -> the draft. tidy: as of the settings."""

    tokenizer: Any
    tidy: bool

    def __call__(self, ids: list[int], growing: bool = False) -> Draft:
        """growing: a last sentence is not finished because it is still being written."""
        eos = self.tokenizer.eos_token_id
        ended, end = eos in ids, ids.index(eos) if eos in ids else len(ids)
        text = " ".join(self.tokenizer.decode(ids[:end], skip_special_tokens=True).split())
        return Draft(tidied(text, ended or growing) if self.tidy else text, end, ended)


def tidied(text: str, ended: bool) -> str:
    """Each sentence once, where it is said first; without a last one that was cut off, if there is another. A word that
    is said three times or more in a row is said once.

    The impression may repeat what is found. What has fewer than three words, "1." or "prior.", is no sentence.
    """
    pieces = SENTENCE_BREAK.split(STAMMER.sub(r"\1", text))
    if not ended and len(pieces) > 1 and not SENTENCE_END.search(pieces[-1]):
        pieces.pop()
    kept: list[str] = []
    said: set[tuple[str, ...]] = set()
    for piece in pieces:
        if IMPRESSION_HEAD in piece:
            said.clear()
        words = tuple(re.findall(r"\w+", piece.casefold()))
        if len(words) < FEWEST_WORDS or words not in said:
            kept.append(piece)
        said.add(words)
    return " ".join(kept)


class Telling(StoppingCriteria):
    """Tells of every text after each token; stops nothing."""

    def __init__(self, drafted: Drafting, told: Told):
        self.drafted, self.told = drafted, told
        self.ended: set[int] = set()

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs) -> Tensor:
        for row, ids in enumerate(input_ids.tolist()):
            if row not in self.ended:
                draft = self.drafted(ids, growing=True)
                self.told(row, draft.text)
                if draft.ended:
                    self.ended.add(row)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
