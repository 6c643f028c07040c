"""The order of everything the LLM reads, built here and nowhere else: training, decoding and serving share it.

    [bos] instruction-before  V  P'  context  instruction-after  | report [eos]

The loss stands only on what is right of the bar. The position of P' is a setting of the promptbook. A view that a
study does not have is masked, and positions count real tokens only, so a study reads the same alone or in a batch.
What was known beforehand (context.py) is there where a model is told it.
Legend: B batch, S sequence, C context tokens, T report tokens, N visual tokens, K prompts, D width of the LLM.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mrg_llm.errors import SettingsError
from mrg_llm.model.configuration import LanguageConfig

IMAGE_MARK = "{image}"
PLACES = {
    "before-image": 1,
    "after-image": 2,
    "before-answer": 4,
}  # of the prompts, among before, image, context, after


@dataclass(frozen=True)
class Words:
    """Token ids (B, C) and which of them are real (B, C) bool."""

    ids: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Frame:
    """The constant token ids around the image: what stands before it and after it."""

    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class LLMInput:
    """embeddings (B, S, D), mask (B, S), positions (B, S); the prompts stand from `prompt_start` on, the report's
    tokens from `report_start`."""

    embeddings: Tensor
    mask: Tensor
    positions: Tensor
    prompt_start: int
    report_start: int


def make_frame(tokenizer, config: LanguageConfig) -> Frame:
    """The instruction, in the LLM's chat template where it has one, cut at the image mark."""
    if config.instruction.count(IMAGE_MARK) != 1:
        raise SettingsError(f"language.instruction must hold {IMAGE_MARK} exactly once: it says where the film goes")
    if config.chat and tokenizer.chat_template:
        messages = [{"role": "system", "content": config.system}] if config.system else []
        messages.append({"role": "user", "content": config.instruction})
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    else:
        text = (tokenizer.bos_token or "") + config.instruction + "\n"
    before, after = text.split(IMAGE_MARK)
    ids = [tuple(tokenizer(part, add_special_tokens=False).input_ids) for part in (before, after)]
    return Frame(*ids)


def assemble(
    frame: Frame,
    embed,
    visual_BND: Tensor,
    visual_mask_BN: Tensor,
    prompts_BKD: Tensor | None,
    position: str = "after-image",
    report_ids_BT: Tensor | None = None,
    report_mask_BT: Tensor | None = None,
    context: Words | None = None,
) -> LLMInput:
    """Put the parts in order. `embed` maps token ids to embeddings; without a report the sequence ends at the bar."""
    B, device = visual_BND.shape[0], visual_BND.device

    def words(ids: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        embedded = embed(torch.tensor(ids, dtype=torch.long, device=device)).to(visual_BND.dtype)
        return embedded.expand(B, -1, -1), torch.ones(B, len(ids), dtype=torch.long, device=device)

    def told(context: Words | None) -> tuple[Tensor, Tensor]:
        return (embed(context.ids).to(visual_BND.dtype), context.mask.long()) if context else words(())

    before, after = words(frame.before), words(frame.after)
    image = (visual_BND, visual_mask_BN.long())
    parts = [before, image, told(context), after]
    if prompts_BKD is not None:
        prompts = (prompts_BKD.to(visual_BND.dtype), torch.ones(prompts_BKD.shape[:2], dtype=torch.long, device=device))
        parts.insert(PLACES[position], prompts)
    report_start = sum(part.shape[1] for part, _ in parts)
    place = PLACES[position]
    prompt_start = sum(part.shape[1] for part, _ in parts[:place])
    if report_ids_BT is not None:
        parts.append((embed(report_ids_BT).to(visual_BND.dtype), report_mask_BT.long()))
    mask = torch.cat([m for _, m in parts], dim=1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    return LLMInput(torch.cat([e for e, _ in parts], dim=1), mask, positions, prompt_start, report_start)
