"""The frozen language model: load it, embed words with it, run it on embeddings, and prove that it stays frozen.

Legend: B batch, S sequence, T texts, D width of the LLM.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mrg_llm.errors import CheckpointError, SettingsError
from mrg_llm.model.attention import MATMUL
from mrg_llm.model.configuration import LanguageConfig
from mrg_llm.model.sources import load_pretrained, load_tokenizer

if TYPE_CHECKING:
    from mrg_llm.model.lean import Lean
    from mrg_llm.model.matrices import Form

ADAPTER, WRAPPED = ".lora_", ".base_layer."  # in peft's names: of an adapter's weight, and of a weight it stands beside


class FrozenLanguageModel(nn.Module):
    """A causal LM whose weights never change: no gradient, always in evaluation mode, never in a checkpoint.

    Gradients still flow through it to the embeddings it is given, and to LoRA adapters where it was given some: they
    stand beside its weights, learn, and are saved as any trained part is.
    """

    def __init__(self, model, tokenizer, config: LanguageConfig | None = None):
        super().__init__()
        self.config = config  # where it was loaded from
        self.model = model.requires_grad_(False).eval()
        self.tokenizer = tokenizer
        self.read: dict[tuple, Tensor] = {}  # keys and values of constant words (slab.py)
        self.lean: dict[Form, Lean] = {}  # the same layers for writing (lean.py), by the form of their matrices
        self.words: tuple[Tensor, Tensor] | None = None  # which tokens begin words, which go on in them (repeats.py)
        self.adapted = False

    @classmethod
    def load(cls, config: LanguageConfig, dtype: torch.dtype = torch.float32) -> FrozenLanguageModel:
        """Raises ModelSourceError where it cannot be had, CheckpointError where its width is not the expected one."""
        model = load_pretrained(config.source, "language", config.revision, dtype, config.quantize)
        if config.width is not None and model.config.hidden_size != config.width:
            raise CheckpointError(
                f"this checkpoint was trained for a language model of width {config.width}, but {config.source} has "
                f"width {model.config.hidden_size}; load it with the model it was trained for"
            )
        return cls(model, load_tokenizer(config.source, config.revision), config)

    def train(self, mode: bool = True) -> FrozenLanguageModel:
        """Training mode would switch on dropout in a model that does not learn: it stays in evaluation mode."""
        return super().train(False)

    def adapt(self, rank: int) -> None:
        """Put LoRA adapters (arXiv 2106.09685) beside all linear maps but the output layer; they start at zero.

        Raises SettingsError where peft is not installed.
        """
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise SettingsError(
                "model.language.lora_rank needs peft, which is not installed; pip install 'mrg-llm[lora]'"
            ) from error
        chosen = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")
        inject_adapter_in_model(chosen, self.model)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(ADAPTER in name)
            if ADAPTER in name:  # as everything that learns: small steps vanish in bfloat16
                parameter.data = parameter.data.float()
        self.model.eval()
        self.adapted = True

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def embedding_std(self) -> float:
        return float(self.model.get_input_embeddings().weight.float().std())

    @property
    def layers(self) -> int:
        return self.model.config.num_hidden_layers

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids (...) -> embeddings (..., D)."""
        return self.model.get_input_embeddings()(ids)

    def hidden(self, embeddings_BSD: Tensor, mask_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Last hidden states (B, S, D) for embeddings; mask is 1 where a position is real."""
        return self.model.base_model(
            inputs_embeds=embeddings_BSD.to(self.dtype),
            attention_mask=mask_BS,
            position_ids=positions_BS,
            use_cache=False,
        ).last_hidden_state

    @contextmanager
    def deep_prompts(self, added_BLKD: Tensor | None, start: int) -> Iterator[None]:
        """While this lasts, layer l reads hidden states with added[:, l] at positions start..start+K-1.

        Only where the whole sequence passes: steps of decoding find those positions in the cache. Beam search repeats
        each study's rows; what is added is repeated with them.
        """
        if added_BLKD is None:
            yield
            return
        K = added_BLKD.shape[2]

        def add(layer: int):
            def hook(module, inputs):
                hidden = inputs[0]
                if hidden.shape[1] < start + K:
                    return None
                rows = added_BLKD[:, layer].repeat_interleave(len(hidden) // len(added_BLKD), dim=0).to(hidden.dtype)
                parts = (hidden[:, :start], hidden[:, start : start + K] + rows, hidden[:, start + K :])
                return (torch.cat(parts, dim=1), *inputs[1:])

            return hook

        hooks = [layer.register_forward_pre_hook(add(i)) for i, layer in enumerate(self.decoder_layers())]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def decoder_layers(self) -> list[nn.Module]:
        """The LLM's blocks, in order."""
        lists = [m for m in self.model.modules() if isinstance(m, nn.ModuleList)]
        return list(max(lists, key=len))

    @torch.no_grad()
    def layer_scale(self, ids: Sequence[int]) -> Tensor:
        """Spread of the hidden states that each layer reads, (L,), measured on these tokens after the first one (whose
        states are outliers in LLaMA models)."""
        out = self.model.base_model(
            input_ids=torch.tensor([ids], device=self.model.device), output_hidden_states=True, use_cache=False
        )
        return torch.stack([h[0, 1:].float().std() for h in out.hidden_states[: len(self.decoder_layers())]]).cpu()

    @property
    def head(self) -> nn.Module:
        """What makes logits of hidden states."""
        return self.model.get_output_embeddings()

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., D) -> logits (..., vocabulary)."""
        return self.head(hidden)

    @torch.no_grad()
    def text_features(
        self, texts: Sequence[str], layers: int | None = None, batch: int = 32,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Tensor:  # fmt: skip
        """What the LLM makes of a text: mean hidden state after its first `layers` layers, (T, D), float32.

        progress: told how many texts are done."""
        layers = layers or max(1, 2 * self.layers // 3)
        config, kept = self.model.config, self.model.config.num_hidden_layers
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        features = torch.zeros(len(texts), self.width)
        device = self.model.device
        config.num_hidden_layers = min(layers, kept)  # the model's own loop stops there
        try:
            for start in range(0, len(order), batch):
                rows = order[start : start + batch]
                coded = self.tokenizer(
                    [texts[i] for i in rows], return_tensors="pt", padding=True, padding_side="right"
                ).to(device)
                hidden = self.model.base_model(
                    input_ids=coded.input_ids, attention_mask=coded.attention_mask, use_cache=False
                ).last_hidden_state
                weights = coded.attention_mask.unsqueeze(-1).to(hidden.dtype)
                features[rows] = ((hidden * weights).sum(1) / weights.sum(1).clamp_min(1)).float().cpu()
                progress(start + len(rows))
        finally:
            config.num_hidden_layers = kept
        return features

    def use_matmul_attention(self, on: bool) -> None:
        """On a CPU: plain matrix products for training (fast backward), fused attention for decoding."""
        self.model.set_attn_implementation(MATMUL if on else "sdpa")

    def recompute_layers(self) -> None:
        """From now on a backward pass finds of every layer only what it read, and runs the layer again: far less memory
        for about a third more time. Same results. transformers' own switch works in training mode only, which this
        model never enters."""
        for layer in self.decoder_layers():
            layer.forward = recomputed(layer.forward)

    def weights_sha256(self) -> str:
        """SHA-256 over names and weights rounded to bfloat16: the same however the weights are stored in memory, and
        whether or not adapters stand beside them. Quantized weights have lost what is hashed: the published ones are
        read once more, on the CPU."""
        digest, model = hashlib.sha256(), self.model
        if self.config is not None and self.config.quantize != "none":
            model = load_pretrained(self.config.source, "language", self.config.revision, torch.bfloat16)
        own = {n.replace(WRAPPED, "."): t for n, t in model.state_dict().items() if ADAPTER not in n}
        for name, tensor in sorted(own.items()):
            digest.update(name.encode())
            bits = tensor.detach().to(torch.bfloat16).cpu().contiguous().view(torch.int16)
            digest.update(bits.numpy())
        return digest.hexdigest()


def recomputed(forward: Callable) -> Callable:
    """`forward`, but run a second time in the backward pass instead of remembering what happened in it."""

    @wraps(forward)
    def run(*inputs, **named):
        if not torch.is_grad_enabled():
            return forward(*inputs, **named)
        return checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=False, **named)

    return run
