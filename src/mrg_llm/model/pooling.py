"""Sums over the real positions of a padded batch. Legend: B batch, N positions, C width."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values_BNC: Tensor, mask_BN: Tensor) -> Tensor:
    """Mean over the real positions, (B, C)."""
    weights_BN1 = mask_BN.unsqueeze(-1).to(values_BNC.dtype)
    return (values_BNC * weights_BN1).sum(1) / weights_BN1.sum(1).clamp_min(1)


def mean_and_spread(values_BNC: Tensor, mask_BN: Tensor) -> Tensor:
    """Mean and standard deviation over the real positions, (B, 2C)."""
    mean_BC = masked_mean(values_BNC, mask_BN)
    variance_BC = masked_mean((values_BNC - mean_BC.unsqueeze(1)).square(), mask_BN)
    return torch.cat([mean_BC, variance_BC.clamp_min(1e-8).sqrt()], dim=-1)
