"""A frozen weight matrix in the form in which a processor reads it quickest: x -> x W^T + b for float32 rows.

Writing a token waits for the weights to come out of memory, so half the bytes are half the time. What was published in
bfloat16 or float16 fits a half of the bytes without loss: it is widened again on its way into the sum, and the sums are
of the same float32 products. int8 takes a quarter, and rounds.
Legend: N rows, I inputs, O outputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

Matrix = Callable[[Tensor], Tensor]  # (N, I) -> (N, O)

AT_ONCE = 2048  # outputs of a packed part: packing walks down the columns, and more of them do not fit the caches


def matrix(weight_OI: Tensor, bias_O: Tensor | None, int8: bool = False) -> Matrix:
    """The quickest form that loses nothing, or int8 (of each output's own scale; inputs are rounded to 7 bits at every
    use, with one scale for all rows)."""
    if int8:
        return rounded(weight_OI, bias_O)
    if can_pack() and torch.equal(weight_OI.half().float(), weight_OI):
        return halved(weight_OI, bias_O)
    return lambda x_NI: torch.nn.functional.linear(x_NI, weight_OI, bias_O)


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
