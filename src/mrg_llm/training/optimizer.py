"""AdamW over what a stage trains: the encoder slower than the rest, no decay on vectors, warm-up and cosine."""

from __future__ import annotations

import math

import torch
from torch import nn

from mrg_llm.settings import GenerateSettings, StageSettings, TrainSettings
from mrg_llm.training.stages import Stage

ALIGNED = ("projection.", "promptbook.customizer.", "alignment.")  # what the alignment stages train beside the encoder


def make_optimizer(stage: Stage, train: TrainSettings) -> torch.optim.AdamW:
    """The optimizer of one stage; parameters the stage does not train lose their gradient for its duration."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in stage_parameters(stage, train).items():
        rate = peak_rate(name, stage.settings, train)
        decay = train.weight_decay if parameter.ndim >= 2 and "book_KD" not in name else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    members = [{"params": found, "lr": rate, "peak": rate, "weight_decay": decay}
               for (rate, decay), found in groups.items()]  # fmt: skip
    return torch.optim.AdamW(members, betas=(0.9, 0.98), fused=True)


def peak_rate(name: str, stage: StageSettings, train: TrainSettings) -> float:
    """The largest rate that a parameter of this name gets in this stage."""
    rate = stage.lr or train.lr
    if name.startswith("vision."):
        return train.lr_encoder if stage.lr_encoder is None else stage.lr_encoder
    if name.startswith("language."):
        return train.lr_lora
    if isinstance(stage, GenerateSettings) and stage.lr_aligned and name.startswith(ALIGNED):
        return stage.lr_aligned
    return rate


def stage_parameters(stage: Stage, train: TrainSettings) -> dict[str, nn.Parameter]:
    """Name -> parameter of what this stage trains. Sets requires_grad for the stage. Of the LLM only
    adapters can be in it."""
    learned = stage.model.learned_names
    chosen = {}
    trains_encoder = peak_rate("vision.", stage.settings, train) > 0
    for name, parameter in stage.model.named_parameters():
        in_stage = name in learned and name.startswith(stage.groups())
        if name.startswith("vision.") and not trains_encoder:
            in_stage = False
        parameter.requires_grad_(in_stage)
        if in_stage:
            chosen[name] = parameter
    return chosen


def set_rates(optimizer: torch.optim.Optimizer, step: int, steps: int, warmup: float) -> float:
    """Warm-up, then half a cosine down to a hundredth of the peak. Returns the factor."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        factor = (step + 1) / rising
    else:
        factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    return factor
