"""bfloat16 arithmetic for what is trained in float32: matrix products are several times as fast on machines with
instructions for it."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn


class Mixed(nn.Module):
    """A part whose matrix products run in bfloat16 once `autocast_bf16` is set; weights and results stay float32."""

    autocast_bf16 = False

    def arithmetic(self, like: Tensor):
        """The context for this part's products, on the device of `like`."""
        return torch.autocast(like.device.type, torch.bfloat16) if self.autocast_bf16 else contextlib.nullcontext()
