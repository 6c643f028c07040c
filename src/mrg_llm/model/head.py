"""Cross entropy under a frozen head: the logits of a few positions at a time, never those of a whole batch.

The head's weights ask for no gradient, so all that the backward pass needs is the gradient of the hidden states, which
the forward pass can compute on the way (as Liger's fused cross entropy does, arXiv 2410.10989; without its gradient of
the head).
Legend: N positions, D width of the LLM, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

AT_ONCE = 128  # positions whose logits are there at one time


def frozen_cross_entropy(hidden_ND: Tensor, head: Callable[[Tensor], Tensor], ids_N: Tensor) -> Tensor:
    """-log p of each token under `head` (hidden states -> logits), (N,) in nats and float32."""
    return FrozenCrossEntropy.apply(hidden_ND, head, ids_N)


class FrozenCrossEntropy(torch.autograd.Function):
    """Keeps the gradient of every position's own loss, (N, D), which the backward pass scales."""

    @staticmethod
    def forward(ctx, hidden_ND: Tensor, head: Callable[[Tensor], Tensor], ids_N: Tensor) -> Tensor:
        losses = torch.empty(len(hidden_ND), dtype=torch.float32, device=hidden_ND.device)
        gradient_ND = torch.empty_like(hidden_ND) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden_ND), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            with torch.set_grad_enabled(gradient_ND is not None):
                read = hidden_ND[part].detach().requires_grad_(gradient_ND is not None)
                loss = torch.nn.functional.cross_entropy(head(read).float(), ids_N[part], reduction="none")
                if gradient_ND is not None:
                    gradient_ND[part] = torch.autograd.grad(loss.sum(), read)[0]
            losses[part] = loss.detach()
        if gradient_ND is not None:
            ctx.save_for_backward(gradient_ND)
        return losses

    @staticmethod
    def backward(ctx, gradient_N: Tensor):
        (gradient_ND,) = ctx.saved_tensors
        return gradient_ND * gradient_N.unsqueeze(1).to(gradient_ND.dtype), None, None
