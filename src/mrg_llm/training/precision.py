"""bfloat16 where it helps: the frozen LLM stored in it; encoder, projection and heads computing in it, while what is
trained stays float32."""

from __future__ import annotations

import torch

from mrg_llm.model.gating import keep_less
from mrg_llm.model.modeling import MRGModel


def best_device() -> str:
    """The kind of device that training runs on, which accelerate chooses in the same way: a GPU where there is one."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return found.type if found else "cpu"


def is_bf16(precision: str, device: str) -> bool:
    """What "auto" means on this machine: bfloat16 on GPUs that have it and on CPUs with instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def prepare_model(model: MRGModel, bf16: bool, recompute: bool = False) -> None:
    """Set the model up for training on its device. recompute: the LLM's layers run again in the backward pass."""
    for part in (model.vision, model.projection, model.alignment):
        part.autocast_bf16 = bf16
    if model.vision.mean.device.type == "cpu":
        model.vision.use_matmul_attention()
        model.language.use_matmul_attention(True)
    keep_less(model.language.model)
    if recompute:
        model.language.recompute_layers()
    model.train()
