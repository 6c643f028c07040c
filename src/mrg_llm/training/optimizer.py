"""AdamW over what a stage trains: the encoder slower than the rest, no decay on vectors, warm-up and cosine."""

from __future__ import annotations

import math

import torch
from torch import nn

from mrg_llm.settings import StageSettings, TrainSettings
from mrg_llm.training.stages import Stage


def make_optimizer(stage: Stage, train: TrainSettings) -> torch.optim.AdamW:
    """The optimizer of one stage; parameters the stage does not train lose their gradient for its duration."""
    parameters = stage_parameters(stage, train)
    fast, slow = peak_rates(stage.settings, train)
    groups = []
    for encoder, rate in ((False, fast), (True, slow)):
        for decays, decay in ((True, train.weight_decay), (False, 0.0)):
            members = [
                p for n, p in parameters.items()
                if n.startswith("vision.") == encoder and (p.ndim >= 2 and "book_KD" not in n) == decays
            ]  # fmt: skip
            if members and rate > 0:
                groups.append({"params": members, "lr": rate, "peak": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def peak_rates(stage: StageSettings, train: TrainSettings) -> tuple[float, float]:
    """(rate of everything else, rate of the encoder)."""
    encoder = train.lr_encoder if stage.lr_encoder is None else stage.lr_encoder
    return stage.lr or train.lr, encoder


def stage_parameters(stage: Stage, train: TrainSettings) -> dict[str, nn.Parameter]:
    """Name -> parameter of what this stage trains. Sets requires_grad for the stage, and nothing of the LLM."""
    learned = stage.model.learned_names
    chosen = {}
    trains_encoder = peak_rates(stage.settings, train)[1] > 0
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
