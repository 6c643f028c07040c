"""Rows of all processes, with gradients: more processes mean more negatives, not other ones."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def gather_rows(rows: Tensor) -> Tensor:
    """(B, ...) of this process -> (sum of B, ...) of all, in order of rank; unchanged in a single process.

    Processes may hold different numbers of rows.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    sizes = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, torch.tensor([len(rows)], device=rows.device))
    longest = max(int(s) for s in sizes)
    padded = torch.cat([rows, rows.new_zeros(longest - len(rows), *rows.shape[1:])])
    parts = _Gather.apply(padded).split(longest)
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """Every process holds all rows and the same loss of them, so a row's gradient is the sum over processes; data
    parallel training then takes the mean over processes of what each gives its own rows."""

    @staticmethod
    def forward(context, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:  # type: ignore[override]
        total = gradient.contiguous()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]
