"""The frozen LLM's weights in 8 or 4 bits: what transformers is told about it, or one sentence why it cannot be done.

Embeddings, norms and head stay as they are. What is trained, and the gradient that flows through the LLM to it, is not
quantized. Sources: LLM.int8() (Dettmers 2022), QLoRA's NF4 (Dettmers 2023), both of bitsandbytes.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

from mrg_llm.errors import ModelSourceError, SettingsError

NONE = "none"


def quantization_arguments(source: str, how: str, dtype: Any) -> dict[str, Any]:
    """Arguments of `from_pretrained`; empty for "none". dtype: a torch dtype, in which 4-bit weights are multiplied.

    Raises SettingsError for a GGUF file and ModelSourceError where bitsandbytes is not installed.
    """
    if how == NONE:
        return {}
    if source.endswith(".gguf"):
        raise SettingsError(
            f"model.language.quantize is {how}, but {source} is a GGUF file, whose weights are quantized already and "
            "are unpacked when read; give the model's own folder or hub id, or leave the setting out"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelSourceError(
            f"the language model is wanted in {how} (model.language.quantize), which needs the package bitsandbytes: "
            "pip install 'mrg-llm[quantized]'"
        )
    from transformers import BitsAndBytesConfig

    if how == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    }


def without_traps(model: Any) -> None:
    """bitsandbytes takes a model in evaluation mode for one that only writes: on processors with bfloat16 instructions
    it would repack 4-bit matrices at the first pass without a gradient, and no gradient comes through those. And it
    warns of its rounding at every product of 8-bit matrices."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


class quantizing:
    """Turns what bitsandbytes raises on a machine that it does not know into one sentence."""

    def __init__(self, source: str, how: str):
        self.source, self.how = source, how

    def __enter__(self) -> None: ...

    def __exit__(self, kind, error, trace) -> None:
        if self.how != NONE and isinstance(error, (ImportError, RuntimeError, NotImplementedError)):
            reason = " ".join(str(error).split())[:200]
            raise ModelSourceError(
                f"{self.source} cannot be held in {self.how} on this machine: bitsandbytes says '{reason}'; it runs on "
                "CUDA, or leave model.language.quantize out"
            ) from error
