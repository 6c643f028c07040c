"""SwiGLU, silu(gate) * up, that keeps two tensors for the backward pass where torch's own operations keep three.

The third is the widest thing that a LLaMA layer makes; computing it again costs less than a hundredth of a step.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

SILU = ("SiLU", "SiLUActivation")


def keep_less(model: nn.Module) -> int:
    """Have every gated block of the LLaMA kind in `model` keep less; returns how many there are. Others stay as they
    are."""
    blocks = [module for module in model.modules() if is_swiglu(module)]
    for block in blocks:
        block.forward = partial(swiglu, block)
    return len(blocks)


def is_swiglu(module: nn.Module) -> bool:
    """Whether its forward is down(silu(gate(x)) * up(x)), as transformers' LLaMA family names the parts."""
    parts = {name for name, _ in module.named_children()}
    activation = getattr(module, "act_fn", None)
    return parts == {"gate_proj", "up_proj", "down_proj", "act_fn"} and type(activation).__name__ in SILU


def swiglu(block: nn.Module, x: Tensor) -> Tensor:
    return block.down_proj(Gated.apply(block.gate_proj(x), block.up_proj(x)))


class Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(gradient * up, gate), silu(gate).mul_(gradient)
