"""A name on the command line -> a loaded model: default wheels, hub ids, local folders and GGUF files.

One place for the sentences a user reads when a model is missing, gated, or not of the right kind.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from mrg_llm.errors import ModelSourceError
from mrg_llm.model.quantization import NONE, quantization_arguments, quantizing, without_traps
from mrg_llm.model.wheels import WHEEL_MODELS, forget_quantization, wheel_folder

VISION_PARTS = {"clip": "CLIPVisionModel", "siglip": "SiglipVisionModel", "siglip2": "Siglip2VisionModel"}


def load_pretrained(source: str, kind: str, revision: str | None = None, dtype: Any = None, quantize: str = NONE):
    """A transformers model. kind: "vision" or "language". dtype: a torch dtype, float32 by default. quantize: of a
    language model's weights (quantization.py); such a model is on the GPU at once, where there is one."""
    import torch

    quiet_transformers()
    dtype = dtype or torch.float32
    quantized = quantization_arguments(source, quantize, dtype)
    with quantizing(source, quantize), explained(source, kind):
        if kind == "vision":
            return default_encoder(locate(source), dtype) if source in WHEEL_MODELS else encoder(source, dtype)
        from transformers import AutoModelForCausalLM

        arguments = {**gguf_arguments(source), "revision": revision or "main"}
        model = AutoModelForCausalLM.from_pretrained(locate(source), dtype=dtype, **arguments, **quantized)
        if "gguf_file" in arguments:
            forget_quantization(model)
        if quantized:
            without_traps(model)
        return model


def encoder(source: str, dtype: Any):
    return vision_class(source).from_pretrained(locate(source), dtype=dtype)


def default_encoder(folder: str, dtype: Any):
    """A copy of its own for each that asks: a model, and what knows its training films (familiarity.py)."""
    return copy.deepcopy(kept_encoder(folder, dtype))


@lru_cache(maxsize=1)
def kept_encoder(folder: str, dtype: Any):
    return encoder(folder, dtype)


def load_tokenizer(source: str, revision: str | None = None):
    """The language model's tokenizer, with a padding token."""
    from transformers import AutoTokenizer

    quiet_transformers()
    with explained(source, "language"):
        tokenizer = AutoTokenizer.from_pretrained(locate(source), **gguf_arguments(source), revision=revision or "main")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def vision_class(source: str):
    """The transformers class that gives patch features: for CLIP and SigLIP the vision half alone."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(locate(source))
    name = VISION_PARTS.get(config.model_type)
    return getattr(transformers, name) if name else transformers.AutoModel


def locate(source: str) -> str:
    """A default model's cache folder; the folder of a GGUF file; anything else as it is."""
    if source in WHEEL_MODELS:
        return str(wheel_folder(source))
    return str(Path(source).parent) if source.endswith(".gguf") else source


def gguf_arguments(source: str) -> dict[str, str]:
    return {"gguf_file": Path(source).name} if source.endswith(".gguf") else {}


def quiet_transformers() -> None:
    """Loading bars of other libraries would tear our own."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


class explained:
    """Turns what transformers and the hub raise into one sentence that says how to get the model."""

    def __init__(self, source: str, kind: str):
        self.source, self.kind = source, kind

    def __enter__(self) -> None:
        if self.source in WHEEL_MODELS:
            return
        path = Path(self.source)
        looks_local = path.is_absolute() or self.source.startswith((".", "~")) or self.source.endswith(".gguf")
        if looks_local and not path.exists():
            raise ModelSourceError(f"the {self.kind} model {self.source} is not there; give a folder, a hub id or "
                                   f"{' or '.join(WHEEL_MODELS)}")  # fmt: skip

    def __exit__(self, kind, error, trace) -> None:
        if error is None or isinstance(error, ModelSourceError) or not isinstance(error, Exception):
            return
        name, text = type(error).__name__, str(error)
        if "Gated" in name or "gated" in text or "401" in text or "403" in text:
            raise ModelSourceError(
                f"{self.source} is gated: accept its licence at huggingface.co/{self.source}, then run "
                "'hf auth login'; or give a local folder"
            ) from error
        if isinstance(error, (OSError, ValueError, KeyError)):
            raise ModelSourceError(
                f"the {self.kind} model {self.source} could not be loaded: it is neither a default model "
                f"({', '.join(WHEEL_MODELS)}) nor a local folder with config.json, and the hub did not give it "
                "(offline, or no such id); fetch it once with 'hf download' and give the folder"
            ) from error
