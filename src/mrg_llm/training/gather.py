"""Rows of all processes, with gradients: more processes mean more negatives, not other ones."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_rows(rows: Tensor) -> Tensor:
    """(B, ...) of this process -> (sum of B, ...) of all, in order of rank; unchanged in a single process.

    Processes may hold different numbers of rows.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return rows
    from torch.distributed.nn.functional import all_gather

    world = torch.distributed.get_world_size()
    sizes = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(world)]
    torch.distributed.all_gather(sizes, torch.tensor([len(rows)], device=rows.device))
    longest = max(int(s) for s in sizes)
    padded = torch.cat([rows, rows.new_zeros(longest - len(rows), *rows.shape[1:])])
    if rows.is_floating_point():
        parts = all_gather(padded)
    else:
        parts = [torch.zeros_like(padded) for _ in range(world)]
        torch.distributed.all_gather(parts, padded)
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)])
