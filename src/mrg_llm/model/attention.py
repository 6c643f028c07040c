"""Attention as plain matrix products, registered with transformers under the name MATMUL.

On a CPU in bfloat16 the backward pass of torch's fused attention is several times slower than two matrix products and
a softmax (benchmarks/), so training on CPU uses this one. Legend: B batch, H heads, G groups of key-value heads,
S query length, T key length, E head width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

MATMUL = "mrg_matmul"


def matmul_attention(
    module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float,
    dropout: float = 0.0, **unused,
) -> tuple[Tensor, None]:  # fmt: skip
    """Softmax(QK^T) V in the inputs' own precision; key-value heads are shared by broadcasting, never repeated.

    query (B, H, S, E); key and value (B, G, T, E) with G dividing H; returns (B, S, H, E).
    """
    B, H, S, E = query.shape
    G = key.shape[1]
    grouped = (query * scaling).reshape(B, G, (H // G) * S, E)
    scores = (grouped @ key.transpose(2, 3)).view(B, H, S, -1)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(dim=-1)
    weights = torch.nn.functional.dropout(weights, p=dropout, training=module.training)
    attended = (weights.view(B, G, (H // G) * S, -1) @ value).view(B, H, S, E)
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(MATMUL, matmul_attention)
AttentionMaskInterface.register(MATMUL, eager_mask)
