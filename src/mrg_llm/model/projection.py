"""Patch features -> visual tokens of the LLM's width; the views of a study become one sequence.

Legend: B batch, W views, G side of the patch grid, M visual tokens a view, C width of the encoder, D of the LLM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mrg_llm.model.arithmetic import Mixed
from mrg_llm.model.configuration import ProjectionConfig
from mrg_llm.model.pooling import masked_mean


class Projection(Mixed):
    """Pool each view's patch grid to grid x grid, map C -> D, normalise, scale to the LLM's embedding norm."""

    def __init__(self, config: ProjectionConfig, feature_width: int, width: int, embedding_std: float):
        super().__init__()
        self.config = config
        self.map: nn.Module
        if config.hidden:
            self.map = nn.Sequential(
                nn.Linear(feature_width, config.hidden), nn.GELU(), nn.Linear(config.hidden, width)
            )
        else:
            self.map = nn.Linear(feature_width, width)
        self.norm = nn.LayerNorm(width)
        if config.scale_to_embeddings:
            nn.init.constant_(self.norm.weight, embedding_std)

    def forward(self, features_BWNC: Tensor, view_mask_BW: Tensor) -> tuple[Tensor, Tensor]:
        """Visual tokens V (B, W*M, D) and their mask (B, W*M); with `pooled` one more behind them."""
        visual_BWMD = self.to_words(pool_grid(features_BWNC, self.config.grid))
        mask_BWM = view_mask_BW.unsqueeze(-1).expand(visual_BWMD.shape[:3])
        visual_BND, mask_BN = visual_BWMD.flatten(1, 2), mask_BWM.flatten(1, 2)
        if self.config.pooled:
            pooled_B1D = self.to_words(masked_mean(features_BWNC.mean(2), view_mask_BW)).unsqueeze(1)
            visual_BND = torch.cat([visual_BND, pooled_B1D], dim=1)
            mask_BN = torch.cat([mask_BN, torch.ones_like(mask_BN[:, :1])], dim=1)
        return visual_BND, mask_BN

    def to_words(self, features: Tensor) -> Tensor:
        """Features (..., C) -> the LLM's space (..., D), at the norm of its word embeddings."""
        with self.arithmetic(features):
            mapped = self.map(features)
        return self.norm(mapped.float())


def pool_grid(features_BWNC: Tensor, grid: int) -> Tensor:
    """Average-pool a square grid of N patch features to grid x grid."""
    B, W, N, C = features_BWNC.shape
    side = round(N**0.5)
    if side <= grid:
        return features_BWNC
    image = features_BWNC.reshape(B * W, side, side, C).permute(0, 3, 1, 2)
    pooled = torch.nn.functional.adaptive_avg_pool2d(image, grid)
    return pooled.flatten(2).transpose(1, 2).reshape(B, W, grid * grid, C)
