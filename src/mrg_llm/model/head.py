"""Cross entropy under a frozen head: the logits of a part of the vocabulary at a time, never those of a whole batch.

The head's weights ask for no gradient, so all that the backward pass needs is the gradient of the hidden states:
softmax(h W^T) W - W[word], an attention whose keys and values are the head's rows. So it is computed as flash attention
is (arXiv 2205.14135), block by block with a running maximum, and each block of the head is read once for all positions.
Legend: N positions, D width of the LLM, V vocabulary, U words of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLOCK = 4096  # words whose logits are there at one time


def frozen_cross_entropy(hidden_ND: Tensor, head: nn.Module, ids_N: Tensor) -> Tensor:
    """-log p of each token under `head`, a linear layer, (N,) in nats and float32. A head of another kind is run as it
    is, over the whole vocabulary."""
    if type(head) is not nn.Linear:
        return nn.functional.cross_entropy(head(hidden_ND).float(), ids_N, reduction="none")
    return FrozenCrossEntropy.apply(hidden_ND, head.weight, head.bias, ids_N)


class FrozenCrossEntropy(torch.autograd.Function):
    """Keeps the gradient of every position's own loss, (N, D), which the backward pass scales."""

    @staticmethod
    def forward(ctx, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, ids_N: Tensor) -> Tensor:
        largest_N1 = hidden_ND.new_full((len(hidden_ND), 1), -torch.inf, dtype=torch.float32)
        total_N1, own_N1 = torch.zeros_like(largest_N1), torch.zeros_like(largest_N1)
        mean_ND = torch.zeros_like(hidden_ND, dtype=torch.float32) if ctx.needs_input_grad[0] else None
        for start in range(0, len(weight_VD), BLOCK):
            words_UD = weight_VD[start : start + BLOCK]
            bias_U = None if bias_V is None else bias_V[start : start + BLOCK]
            logits_NU = nn.functional.linear(hidden_ND, words_UD, bias_U).float()
            place_N1 = ids_N.unsqueeze(1) - start
            inside_N1 = (place_N1 >= 0) & (place_N1 < len(words_UD))
            own_N1 = torch.where(inside_N1, logits_NU.gather(1, place_N1.clamp(0, len(words_UD) - 1)), own_N1)
            before_N1, largest_N1 = largest_N1, torch.maximum(largest_N1, logits_NU.amax(1, keepdim=True))
            shrunk_N1 = (before_N1 - largest_N1).exp()
            share_NU = logits_NU.sub_(largest_N1).exp_()
            total_N1 = total_N1 * shrunk_N1 + share_NU.sum(1, keepdim=True)
            if mean_ND is not None:
                mean_ND.mul_(shrunk_N1).add_(share_NU.to(words_UD.dtype) @ words_UD)
        if mean_ND is not None:
            ctx.save_for_backward((mean_ND / total_N1 - weight_VD[ids_N]).to(hidden_ND.dtype))
        return (largest_N1 + total_N1.log() - own_N1).squeeze(1)

    @staticmethod
    def backward(ctx, gradient_N: Tensor):
        (gradient_ND,) = ctx.saved_tensors
        return gradient_ND * gradient_N.unsqueeze(1).to(gradient_ND.dtype), None, None, None
