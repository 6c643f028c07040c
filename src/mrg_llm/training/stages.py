"""The three stages: what each trains and what it minimises (method.md, multi-stage alignment).

    align_global   encoder, projection, heads                 image against report
    align_local    the same and the customizer                sentences against visual tokens and customized prompts
    generate       encoder, projection, promptbook            the next token of the report (+ a little of the above)

Legend: B batch, T texts, D width of the LLM.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mrg_llm.model.alignment import (
    contrastive_loss,
    said_logits,
    said_loss,
    sentence_logits,
    sentence_loss,
    word_loss,
)
from mrg_llm.model.modeling import MRGModel, Seen
from mrg_llm.settings import AlignLocalSettings, GenerateSettings, Settings, StageSettings
from mrg_llm.training.data import SplitData, TensorBatch, TextBank
from mrg_llm.training.gather import gather_rows

GLOBAL_HEADS = ("alignment.image.", "alignment.report.", "alignment.log_scale")
STAGES = ("align_global", "align_local", "generate")


@dataclass(frozen=True)
class Loss:
    """total: what is minimised, a mean over `weight` units (studies or report tokens). parts: what is logged."""

    total: Tensor
    weight: Tensor
    parts: dict[str, Tensor]


class Stage(nn.Module):
    """A stage as a module whose forward is its loss, so that data-parallel wrappers see every forward."""

    name: str

    def groups(self) -> tuple[str, ...]:
        """Prefixes of the parameters that this stage's loss reaches."""
        raise NotImplementedError

    def __init__(self, model: MRGModel, settings: StageSettings, bank: TextBank | None):
        super().__init__()
        self.model, self.settings, self.bank = model, settings, bank

    def look(self, batch: TensorBatch) -> Seen:
        return batch.look(self.model)


class AlignGlobal(Stage):
    """Stage 1. The report of a study, and any equal report, is the positive."""

    name = "align_global"

    def groups(self) -> tuple[str, ...]:
        return ("vision.", *GLOBAL_HEADS)

    def forward(self, batch: TensorBatch) -> Loss:
        loss = global_term(self.model, self.look(batch), batch.indices, self.bank)
        return Loss(loss, count(batch), {"global": loss.detach()})


class AlignLocal(Stage):
    """Stage 2. A sentence, and any equal sentence, is the positive of every study that has it."""

    name = "align_local"
    settings: AlignLocalSettings

    def groups(self) -> tuple[str, ...]:
        customizer = ("promptbook.",) if self.model.customizes else ()
        return ("vision.", "projection.", *customizer, "alignment.")

    def forward(self, batch: TensorBatch) -> Loss:
        seen = self.look(batch)
        parts = {"global": global_term(self.model, seen, batch.indices, self.bank)}
        parts |= local_terms(self.model, seen, batch.indices, self.bank, self.settings.sentences)
        weights = {"prompt": self.settings.prompt_weight, "words": self.settings.prompt_weight}
        total = sum(weights.get(name, 1.0) * value for name, value in parts.items())
        return Loss(total, count(batch), {name: value.detach() for name, value in parts.items()})


class Generate(Stage):
    """Stage 3. Next-token loss on the report; the contrastive terms stay on with a small weight."""

    name = "generate"
    settings: GenerateSettings

    def groups(self) -> tuple[str, ...]:
        heads = ("alignment.",) if self.settings.contrast_weight else ()
        return ("vision.", "projection.", "promptbook.", "language.", *heads)  # of the LLM its adapters alone learn

    def forward(self, batch: TensorBatch) -> Loss:
        seen = self.look(batch)
        tokens = batch.report_weights.sum()
        shown = self.model.unseen(seen, some((len(batch.indices),), self.settings.blind, seen.cls.device))
        share = self.settings.hide_words
        hidden = some(batch.report_ids.shape, share, seen.cls.device) if share else None
        losses = self.model.token_losses(shown, batch.report_ids, batch.report_mask, batch.context, hidden)
        report = (losses * batch.report_weights).sum() / tokens
        parts, total = {"report": report.detach()}, report
        if self.settings.contrast_weight:
            terms = {"global": global_term(self.model, seen, batch.indices, self.bank)}
            terms |= local_terms(self.model, seen, batch.indices, self.bank, limit=128)
            total = total + self.settings.contrast_weight * sum(terms.values())
            parts |= {name: value.detach() for name, value in terms.items()}
        return Loss(total, tokens, parts)


def planned(settings: Settings) -> list[str]:
    """The stages that are not left out, in order."""
    return [name for name in STAGES if getattr(settings, name).epochs > 0]


def stage_steps(data: SplitData, settings: Settings, name: str, processes: int = 1) -> int:
    """Optimizer steps of a stage."""
    return max(1, round(updates_per_epoch(data, settings, name, processes) * getattr(settings, name).epochs))


def updates_per_epoch(data: SplitData, settings: Settings, name: str, processes: int) -> int:
    batch = getattr(settings, name).batch * processes * settings.train.accumulate
    return max(1, math.ceil(len(data.of_epoch(0)) / batch))


def alike(name: str) -> bool:
    """Whether a stage's batches are of reports of like length: those of alignment are mixed."""
    return name == "generate"


def make_stage(name: str, model: MRGModel, settings: Settings, bank: TextBank | None) -> Stage:
    kinds = {"align_global": AlignGlobal, "align_local": AlignLocal, "generate": Generate}
    return kinds[name](model, getattr(settings, name), bank)


def needs_texts(settings: Settings) -> bool:
    """Whether any planned stage compares images with texts."""
    stages = planned(settings)
    return stages[:1] != ["generate"] or settings.generate.contrast_weight > 0


def some(shape: Sequence[int], share: float, device) -> Tensor:
    """(*shape) bool: each true with this probability."""
    return torch.rand(*shape, device=device) < share if share else torch.zeros(*shape, dtype=torch.bool, device=device)


def count(batch: TensorBatch) -> Tensor:
    return torch.tensor(float(len(batch.indices)), device=batch.views.device)


def global_term(model: MRGModel, seen: Seen, indices: Sequence[int], bank: TextBank) -> Tensor:
    """Image against report; reports are alike as far as they name the same findings."""
    heads, device = model.alignment, seen.cls.device
    rows = torch.tensor([bank.report_of[i] for i in indices])
    present = bank.present[list(indices)].to(device)
    images = heads.embed_image(seen.features, seen.feature_mask, seen.cls)
    reports = heads.embed_reports(bank.report_features[rows].to(device))
    images, reports, present = gather_rows(images), gather_rows(reports), gather_rows(present)
    return contrastive_loss(images @ reports.T * heads.scale(), jaccard(present))


def jaccard(present_BQ: Tensor) -> Tensor:
    """(B, B): shared findings over all findings of two reports; 1 where neither has any."""
    shared = present_BQ @ present_BQ.T
    sizes = present_BQ.sum(1)
    union = sizes.unsqueeze(1) + sizes.unsqueeze(0) - shared
    return torch.where(union > 0, shared / union.clamp_min(1), torch.ones_like(union))


def local_terms(model: MRGModel, seen: Seen, indices: Sequence[int], bank: TextBank, limit: int) -> dict[str, Tensor]:
    """Sentences of all processes' batches against patches (in the LLM's space), and against customized prompts."""
    heads, device = model.alignment, seen.cls.device
    everybody = gather_rows(torch.tensor(indices, device=device)).tolist()
    rows = sorted({s for i in everybody for s in bank.sentences_of[i]})
    if len(rows) > limit:  # an even spread over the sorted rows: no random state to restore
        rows = rows[:: -(-len(rows) // limit)]
    true = bank.truth(everybody, rows).to(device)
    sentences = heads.embed_sentences(bank.sentence_features[rows].to(device))

    def term(tokens: Tensor, mask: Tensor) -> Tensor:
        logits = sentence_logits(tokens, mask, sentences) + heads.sentence_bias
        return sentence_loss(gather_rows(logits), true)

    regions = heads.embed_regions(model.projection.to_words(seen.features))
    terms = {"local": term(regions, seen.feature_mask)}
    if model.customizes:
        prompts = heads.embed_prompts(seen.prompts)
        terms["prompt"] = term(prompts, torch.ones(prompts.shape[:2], dtype=torch.bool, device=device))
        vocabulary = model.language.embed(bank.vocabulary.to(device)).float()
        terms["words"] = word_loss(seen.prompts, vocabulary, bank.words[list(indices)].to(device))
    if heads.said_FD is not None:
        share = bank.said.mean(0).to(device)
        terms["said"] = said_loss(said_of(model, seen, bank, share), bank.said[list(indices)].to(device), share)
    return terms


def said_of(model: MRGModel, seen: Seen, bank: TextBank, share_W: Tensor) -> Tensor:
    """(B, W): log-odds that each study's report says each word of the bank."""
    spoken = model.language.embed(bank.spoken.to(share_W.device)).float()
    return said_logits(model.alignment.tell(seen.trunk), spoken, share_W)
