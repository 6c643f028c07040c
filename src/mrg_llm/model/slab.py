"""Keys and values of the rows that are being written, in one block of memory that grows by doubling.

Rows hold real tokens only, one after another, so a place in the slab is a position of the LLM; what stands behind a
row's length is never read. The constant words before the film are read once a model and copied to every row.
Legend: L layers, R rows, G key-value heads, T places, E head width, S new tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mrg_llm.model.attention import MATMUL
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.lean import Lean

LIKE_LLAMA = frozenset({"llama", "mistral", "qwen2", "qwen3"})
ROTARY = frozenset({"default", "linear", "llama3", "yarn"})  # whose angles do not depend on how long the batch is
ATTENTION = frozenset({"sdpa", "eager", MATMUL})
ASKED = (
    "min_length", "suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "sequence_bias", "forced_eos_token_id",
)  # fmt: skip


def fits(language: FrozenLanguageModel) -> bool:
    """Whether a slab can stand in for this LLM's own cache: the LLaMA family with full attention in every layer, rotary
    positions that do not change with length, an attention that takes a mask, and a generation config that asks for
    nothing that our settings do not say."""
    config, asked = language.model.config, language.model.generation_config
    rotary = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = config.model_type == "mistral" and config.sliding_window is not None
    return (
        config.model_type in LIKE_LLAMA
        and layers == {"full_attention"}
        and not windowed
        and rotary in ROTARY
        and config._attn_implementation in ATTENTION
        and not any(getattr(asked, name, None) for name in ASKED)
    )


class Slab:
    """What transformers' layers take for a cache: `update` stores new keys and values and returns all there are.

    block: (L, 2, R, G, T, E). lengths: tokens of each row. lean: what reads in place of transformers' layers."""

    def __init__(self, language: FrozenLanguageModel, words: tuple[int, ...]):
        config = language.model.config
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, 2, 0, config.num_key_value_heads, 0, width)
        self.language, self.words = language, words
        self.lean: Lean | None = None
        self.block = torch.zeros(shape, dtype=language.dtype, device=language.model.device)
        self.lengths: list[int] = []

    def grow(self, rows: int, places: int) -> None:
        """At least that many rows, and places in each; whoever reads sees to it that there are enough places."""
        L, two, held, G, had, E = self.block.shape
        if rows <= held and places <= had:
            return
        grown = self.block.new_zeros(L, two, max(rows, 2 * held) if rows > held else held, G, max(places, had), E)
        grown[:, :, :held, :, :had] = self.block
        if self.words:
            grown[:, :, held:, :, : len(self.words)] = read_once(self.language, self.words)
        self.block = grown

    def join(self, embeddings_RSD: Tensor, added_RLKD: Tensor | None = None, start: int = 0) -> Tensor:
        """New rows behind those there are, which read the constant words and then these; logits (R, vocabulary) of what
        follows. added: what deep prompts add at `start` of these."""
        count = len(embeddings_RSD)
        self.grow(len(self.lengths) + count, len(self.words) + embeddings_RSD.shape[1])
        self.lengths += [len(self.words)] * count
        return self.read(embeddings_RSD, len(self.lengths) - count, added_RLKD, start)

    def read(
        self, embeddings_RSD: Tensor, first: int = 0, added_RLKD: Tensor | None = None, start: int = 0
    ) -> Tensor:  # fmt: skip
        """The rows from `first` on read S more tokens each, (R, S, D); logits (R, vocabulary) of what follows."""
        R, S, _ = embeddings_RSD.shape
        device, starts = embeddings_RSD.device, self.lengths[first:]
        assert len(starts) == R
        places_RS = torch.tensor(starts, device=device).unsqueeze(1) + torch.arange(S, device=device)
        self.lengths[first:] = [n + S for n in starts]
        if self.lean:
            return self.lean.logits(self.lean.read(embeddings_RSD, self.block, first, places_RS, added_RLKD, start))
        self.rows, self.longest, self.even = slice(first, first + R), max(starts) + S, len(set(starts)) == 1
        self.places_RS = places_RS
        seen = torch.arange(self.longest, device=device) <= places_RS.unsqueeze(-1)
        with self.language.deep_prompts(added_RLKD, start):
            hidden = self.language.model.base_model(
                inputs_embeds=embeddings_RSD,
                attention_mask=as_mask(self.language, seen.unsqueeze(1)),
                position_ids=places_RS,
                past_key_values=self,
                use_cache=True,
            ).last_hidden_state
        return self.language.logits(hidden[:, -1])

    def update(self, keys_RGSE: Tensor, values_RGSE: Tensor, layer_idx: int, *args, **kwargs) -> tuple[Tensor, Tensor]:
        """Called by the layers."""
        R, _, S, _ = keys_RGSE.shape
        kept = self.block[layer_idx, :, self.rows]
        if self.even:
            end = self.longest
            kept[0, :, :, end - S : end], kept[1, :, :, end - S : end] = keys_RGSE, values_RGSE
        else:
            rows = torch.arange(R, device=kept.device).unsqueeze(1)
            kept[0][rows, :, self.places_RS] = keys_RGSE.transpose(1, 2)
            kept[1][rows, :, self.places_RS] = values_RGSE.transpose(1, 2)
        return kept[0, :, :, : self.longest], kept[1, :, :, : self.longest]

    def leave(self, row: int) -> None:
        """A row's place is taken by the last one, so that rows stay without gaps."""
        last = len(self.lengths) - 1
        if row != last:
            self.block[:, :, row] = self.block[:, :, last]
            self.lengths[row] = self.lengths[last]
        self.lengths.pop()

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.longest


def as_mask(language: FrozenLanguageModel, seen_R1ST: Tensor) -> Tensor:
    """Which places each query sees, in the form that the LLM's attention takes."""
    if language.model.config._attn_implementation == "sdpa":
        return seen_R1ST
    hidden = torch.zeros(seen_R1ST.shape, dtype=language.dtype, device=seen_R1ST.device)
    return hidden.masked_fill(~seen_R1ST, torch.finfo(language.dtype).min)


def read_once(language: FrozenLanguageModel, words: Sequence[int]) -> Tensor:
    """Keys and values of constant words at the start, (L, 2, 1, G, P, E): read once, for the weights never change.
    Adapters do: with them the words are read anew for every slab."""
    key = (tuple(words), language.dtype, language.model.device)
    if key not in language.read or language.adapted:
        with torch.inference_mode(False), torch.no_grad():  # training may use what a validation read first
            slab = Slab(language, ())
            slab.join(language.embed(torch.tensor([list(words)], device=language.model.device)))
        language.read[key] = slab.block
    return language.read[key]
