"""The constant words at the head of every sequence, read once a model instead of once a step.

What stands before the first trained token never changes and has no gradient, so its keys and values are those that
decoding keeps too (slab.py); training and scoring run the LLM on what follows. Exact: attention looks back only.
Legend: B batch, S sequence, A constant words ahead, R the rest of the sequence, D width of the LLM, L layers, G key-
value heads, E head width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.sequence import LLMInput
from mrg_llm.model.slab import as_mask, fits, read_once


class Ahead:
    """What the LLM's layers take for a cache: the keys and values of the constant words, (L, 2, 1, G, A, E), in front
    of every row. Nothing is kept. Where the layers take no cache of ours, there are no words ahead (A = 0)."""

    def __init__(self, language: FrozenLanguageModel, constant: tuple[int, ...]):
        self.language = language
        self.block = read_once(language, constant) if constant and fits(language) else None

    def __len__(self) -> int:
        """A: positions that need not be run."""
        return 0 if self.block is None else self.block.shape[-2]

    def hidden(self, inputs: LLMInput) -> Tensor:
        """Last hidden states of what follows the words ahead, (B, R, D)."""
        A, S = len(self), inputs.mask.shape[1]
        if A == 0:
            return self.language.hidden(inputs.embeddings, inputs.mask, inputs.positions)
        seen_RS = torch.ones(S, S, dtype=torch.bool, device=inputs.mask.device).tril()[A:]
        seen_B1RS = (seen_RS & inputs.mask.bool().unsqueeze(1)).unsqueeze(1)
        return self.language.model.base_model(
            inputs_embeds=inputs.embeddings[:, A:].to(self.language.dtype),
            attention_mask=as_mask(self.language, seen_B1RS),
            position_ids=inputs.positions[:, A:],
            past_key_values=self,
            use_cache=True,
        ).last_hidden_state

    def update(self, keys_BGRE: Tensor, values_BGRE: Tensor, layer_idx: int, *args, **kwargs) -> tuple[Tensor, Tensor]:
        """Called by the layers."""
        assert self.block is not None
        keys, values = self.block[layer_idx].expand(-1, len(keys_BGRE), -1, -1, -1)
        return torch.cat([keys, keys_BGRE], dim=2), torch.cat([values, values_BGRE], dim=2)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return len(self)
