"""What a model is worth on the validation split: retrieval, loss, what the right image is worth, and written reports.

Nothing here sees the test split. Legend: B batch, T report tokens, V validation studies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mrg_llm.model.alignment import sentence_logits
from mrg_llm.model.decoding import write_many
from mrg_llm.model.modeling import MRGModel, Seen, with_prompts_of
from mrg_llm.settings import DecodeSettings
from mrg_llm.training.data import SplitData, TensorBatch, TextBank, on_device
from mrg_llm.training.stages import said_of

RECALL_AT = (1, 5, 10)


@dataclass(frozen=True)
class Validation:
    """values: metric -> value. reports: what was written, in the order of the studies (empty if none were)."""

    values: dict[str, float]
    reports: tuple[str, ...] = ()


@torch.inference_mode()
def retrieval(model: MRGModel, data: SplitData, bank: TextBank, batch: int) -> dict[str, float]:
    """R@k from image to report over the whole split; an equal report counts as found."""
    device = model.vision.mean.device
    images = []
    for tensors in in_order(data, batch, device):
        seen = tensors.look(model)
        images.append(model.alignment.embed_image(seen.features, seen.feature_mask, seen.cls))
    texts = model.alignment.embed_reports(bank.report_features.to(device))
    ranks_VU = (torch.cat(images) @ texts.T).argsort(dim=1, descending=True).cpu()
    own = torch.tensor(bank.report_of).unsqueeze(1)
    place = (ranks_VU == own).float().argmax(dim=1)
    return {f"R@{k}": float((place < k).float().mean()) for k in RECALL_AT}


@torch.inference_mode()
def finding_auc(model: MRGModel, data: SplitData, bank: TextBank, batch: int) -> dict[str, float]:
    """How well sentences that claim a finding are told true from false: area under the ROC curve over the split's
    studies, mean over sentences; by the patches (`auc_patches`) and by the customized prompts (`auc_prompts`). And how
    well the customizer tells which reports say a word, mean over words (`auc_said`), where it learns to."""
    device, heads = model.vision.mean.device, model.alignment
    rows = (bank.claims.sum(1) > 0).nonzero().flatten().tolist()
    if not rows:
        return {}
    sentences = heads.embed_sentences(bank.sentence_features[rows].to(device))
    logits: dict[str, list[Tensor]] = {"auc_patches": [], "auc_prompts": [], "auc_said": []}
    for tensors in in_order(data, batch, device):
        seen = tensors.look(model)
        regions = heads.embed_regions(model.projection.to_words(seen.features))
        logits["auc_patches"].append(sentence_logits(regions, seen.feature_mask, sentences).cpu())
        if model.customizes:
            everywhere = torch.ones(seen.prompts.shape[:2], dtype=torch.bool, device=device)
            logits["auc_prompts"].append(
                sentence_logits(heads.embed_prompts(seen.prompts), everywhere, sentences).cpu()
            )
        if heads.said_FD is not None:
            logits["auc_said"].append(said_of(model, seen, bank, bank.said.mean(0).to(device)).cpu())
    true = bank.truth(range(len(data)), rows)
    truths = {"auc_patches": true, "auc_prompts": true, "auc_said": bank.said.bool()}
    return {name: mean_auc(torch.cat(parts), truths[name]) for name, parts in logits.items() if parts}


def mean_auc(scores_VT: Tensor, true_VT: Tensor) -> float:
    """Mean over columns of the area under the ROC curve (by ranks); columns that are all true or all false do not
    count."""
    ranks = scores_VT.argsort(dim=0).argsort(dim=0).double() + 1
    positives = true_VT.sum(0).double()
    negatives = len(true_VT) - positives
    area = ((ranks * true_VT).sum(0) - positives * (positives + 1) / 2) / (positives * negatives)
    counts = (positives > 0) & (negatives > 0)
    return float(area[counts].mean()) if counts.any() else float("nan")


@torch.inference_mode()
def report_losses(model: MRGModel, data: SplitData, batch: int, studies: int | None = None) -> dict[str, float]:
    """Nats a token of the reference reports: with the right image, and with the next study's image instead; of the
    split's first `studies` studies, or all.

    `image_worth` is the difference: what seeing this patient's film is worth to the model.
    """
    device = model.vision.mean.device
    right, other, tokens = 0.0, 0.0, 0
    for tensors in in_order(data, batch, device, studies):
        seen = tensors.look(model)
        words = (tensors.report_ids, tensors.report_mask, tensors.context)
        right += float(model.token_losses(seen, *words).sum())
        other += float(model.token_losses(rolled(seen), *words).sum())
        tokens += int(tensors.report_mask.sum())
    return {"loss": right / tokens, "loss_other_image": other / tokens, "image_worth": (other - right) / tokens}


@torch.inference_mode()
def nats(
    model: MRGModel, data: SplitData, batch: int, progress: Callable[[int], None] = lambda done: None
) -> list[tuple[float, float, float, int]]:
    """Of each study, nats of its reference report: with its own film, with the next study's film, with its own film but
    the prompts that the next study's film customized (the same as the first where prompts do not depend on the film);
    and its tokens. The next of the last is the first."""
    device = model.vision.mean.device
    rows: list[tuple[float, float, float, int]] = []
    for start in range(0, len(data), batch):
        indices = range(start, min(start + batch, len(data)))
        own = on_device(data.make(0, indices), device)
        following = on_device(data.make(0, [(i + 1) % len(data) for i in indices]), device)
        seen, other = own.look(model), following.look(model)
        words = (own.report_ids, own.report_mask, own.context)
        right = model.token_losses(seen, *words).sum(1)
        elsewhere = model.token_losses(other, *words).sum(1)
        strange = model.token_losses(with_prompts_of(seen, other), *words).sum(1) if model.customizes else right
        tokens = own.report_mask.sum(1).tolist()
        rows += zip(right.tolist(), elsewhere.tolist(), strange.tolist(), tokens, strict=True)
        progress(len(rows))
    return rows


@torch.inference_mode()
def written_reports(
    model: MRGModel, data: SplitData, studies: int, decode: DecodeSettings,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[str, ...]:  # fmt: skip
    """Drafts of the first `studies` studies of the split."""
    batches = in_order(data, decode.batch, model.vision.mean.device, studies)
    texts: list[str] = []
    for draft in write_many(model, ((b.look(model), b.context) for b in batches), decode):
        texts.append(draft.text)
        progress(len(texts))
    return tuple(texts)


def in_order(data: SplitData, batch: int, device, studies: int | None = None):
    """The split's studies in their own order, without augmentation."""
    last = min(len(data), studies or len(data))
    for start in range(0, last, batch):
        yield on_device(data.make(0, range(start, min(start + batch, last))), device)


def rolled(seen: Seen) -> Seen:
    """Everything that was seen, moved by one study: each report meets another study's image."""

    def roll(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.roll(1, dims=0)

    return Seen(*(roll(getattr(seen, f)) for f in seen.__dataclass_fields__))


def prompt_statistics(model: MRGModel, seen: Seen) -> dict[str, float]:
    """Norms of visual tokens, prompts and word embeddings, and how much prompts differ between images (method.md)."""
    values = {
        "norm_visual": float(seen.visual.norm(dim=-1).mean()),
        "norm_words": float(model.language.model.get_input_embeddings().weight[:1000].float().norm(dim=-1).mean()),
    }
    if seen.prompts is not None:
        values["norm_prompts"] = float(seen.prompts.norm(dim=-1).mean())
        values["prompt_spread"] = float(seen.prompts.std(dim=0).mean()) if len(seen.prompts) > 1 else 0.0
    return values


def first_of(data: SplitData, count: int) -> Sequence[int]:
    return range(min(count, len(data)))


__all__ = [
    "TensorBatch", "Validation", "finding_auc", "nats", "prompt_statistics", "report_losses", "retrieval",
    "written_reports",
]  # fmt: skip
