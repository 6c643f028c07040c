"""Frozen weight matrices in the form in which a processor reads them quickest: x -> x W^T + b for float32 rows.

    plain     as they are
    packed    two bytes a weight where that loses nothing, which it does not where bfloat16 or float16 was published: it
              is widened again on its way into the sum, so the products are the same float32 products. Writing a token
              waits for the weights to come out of memory: half the bytes are half the time. Packing takes as long as a
              dozen or two steps of plain ones
    int8      one byte a weight, rounded with a scale an output; inputs are rounded to 7 bits at every use, with one
              scale for all rows
Legend: N rows, I inputs, O outputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Form = Literal["plain", "packed", "int8"]
Matrix = Callable[[Tensor], Tensor]  # (N, I) -> (N, O)

CHECKED = 64  # rows at a time, whose copies stay in the cache
AT_ONCE = 2048  # outputs of a packed part: packing walks down the columns, and more of them do not fit the caches


def matrix(linears: Sequence[nn.Linear], form: Form) -> Matrix:
    """These matrices of the same inputs as one, their outputs side by side."""
    if form != "plain" and can_pack():
        weight_OI = torch.cat([linear.weight for linear in linears]) if len(linears) > 1 else linears[0].weight.detach()
        biases = [linear.bias for linear in linears if linear.bias is not None]
        bias_O = torch.cat(biases) if biases else None
        if form == "int8":
            return rounded(weight_OI, bias_O)
        if all(torch.equal(rows.half().float(), rows) for rows in weight_OI.split(CHECKED)):
            return halved(weight_OI, bias_O)
    if len(linears) == 1:
        return linears[0]
    return lambda x_NI: torch.cat([linear(x_NI) for linear in linears], dim=-1)


def can_pack() -> bool:
    """Whether torch was built with FBGEMM (x86 processors), which computes with such matrices."""
    return "fbgemm" in torch.backends.quantized.supported_engines


def halved(weight_OI: Tensor, bias_O: Tensor | None) -> Matrix:
    biases = parts(bias_O) if bias_O is not None else [None] * len(parts(weight_OI))
    packed = [
        torch.ops.quantized.linear_prepack_fp16(weight.contiguous(), bias)
        for weight, bias in zip(parts(weight_OI), biases, strict=True)
    ]
    if len(packed) == 1:
        return lambda x_NI: torch.ops.quantized.linear_dynamic_fp16(x_NI, packed[0])
    return lambda x_NI: torch.cat([torch.ops.quantized.linear_dynamic_fp16(x_NI, part) for part in packed], dim=-1)


def parts(values: Tensor) -> list[Tensor]:
    return list(values.split(values.shape[0] if values.shape[0] < 2 * AT_ONCE else AT_ONCE))


def rounded(weight_OI: Tensor, bias_O: Tensor | None) -> Matrix:
    scales_O = weight_OI.abs().amax(dim=1).clamp_min(1e-12) / 127
    with warnings.catch_warnings():  # torch announces that such tensors will move to another package
        warnings.simplefilter("ignore", UserWarning)
        weight = torch.quantize_per_channel(
            weight_OI, scales_O.double(), torch.zeros(len(scales_O), dtype=torch.long), 0, torch.qint8
        )
        packed = torch.ops.quantized.linear_prepack(weight, bias_O)
    return lambda x_NI: torch.ops.quantized.linear_dynamic(x_NI, packed, reduce_range=True)
