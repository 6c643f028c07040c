"""The layers of a LLaMA once more, for writing on a processor: what they compute, in fewer and quicker steps.

transformers' layers serve every purpose; a step of one token for a few rows is spent in waiting for weights and in
calling small operations. Here a layer has four matrices, not seven (queries, keys and values are one; gate and up are
one), in the form of matrices.py, and keys and values go straight into the slab. Sums run in another order, so values
agree with transformers' to float32 rounding.
Legend: R rows, S new tokens of a row, D width, H heads, G key-value heads, E head width, T places, L layers, K prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.matrices import Form, Matrix, matrix


def serves(language: FrozenLanguageModel) -> bool:
    """Whether this LLM of the LLaMA family (slab.fits) can be read here: float32 on a processor, plain matrices."""
    named = (item for layer in language.decoder_layers() for item in layer.named_modules())
    matrices = [language.model.get_output_embeddings(), *(module for name, module in named if name.endswith("_proj"))]
    plain = (type(module) is nn.Linear for module in matrices)
    return language.dtype == torch.float32 and language.model.device.type == "cpu" and all(plain)


def lean(language: FrozenLanguageModel, form: Form) -> Lean:
    """Made once a language model, whose weights never change."""
    if form not in language.lean:
        language.lean[form] = Lean(language, form)
    return language.lean[form]


@dataclass(frozen=True)
class Layer:
    """before, between: norms. keyed: queries, keys and values. gated: gate and up. norms: of queries and of keys, where
    the family has them."""

    before: nn.Module
    keyed: Matrix
    norms: tuple[nn.Module, nn.Module] | None
    mixed: Matrix
    between: nn.Module
    gated: Matrix
    activation: nn.Module
    narrowed: Matrix


class Lean:
    def __init__(self, language: FrozenLanguageModel, form: Form):
        base = language.model.base_model
        attention = base.layers[0].self_attn
        self.E, self.scale = attention.head_dim, attention.scaling
        self.G = language.model.config.num_key_value_heads
        self.H = attention.q_proj.out_features // self.E
        self.rotary, self.norm = base.rotary_emb, base.norm
        self.layers = [made(layer, form) for layer in base.layers[: language.model.config.num_hidden_layers]]
        self.head = matrix([language.model.get_output_embeddings()], form)

    def logits(self, hidden_RD: Tensor) -> Tensor:
        """(R, D) -> (R, vocabulary)."""
        return self.head(hidden_RD)

    def read(
        self,
        embeddings_RSD: Tensor,
        block: Tensor,
        first: int,
        places_RS: Tensor,
        added_RLKD: Tensor | None,
        start: int,
    ) -> Tensor:
        """The last hidden states (R, D) of rows that read S more tokens at their `places`; their keys and values are
        stored in the slab's rows from `first` on, block (L, 2, rows, G, T, E). added: what deep prompts add in each
        layer at the new tokens from `start` on."""
        R, S, D = embeddings_RSD.shape
        longest, x = int(places_RS.max()) + 1, embeddings_RSD.reshape(R * S, D)
        cos, sin = (angles.view(R * S, 1, self.E) for angles in self.rotary(embeddings_RSD, places_RS))
        turned = torch.cat([-sin[..., : self.E // 2], sin[..., self.E // 2 :]], dim=-1)
        stored, mask = self.where(block, first, places_RS), self.mask(places_RS, longest)
        for number, layer in enumerate(self.layers):
            if added_RLKD is not None:
                K = added_RLKD.shape[2]
                x = x.view(R, S, D).clone()
                x[:, start : start + K] += added_RLKD[:, number].to(x.dtype)
                x = x.view(R * S, D)
            heads = layer.keyed(layer.before(x)).view(R * S, self.H + 2 * self.G, self.E)
            turning, values = heads[:, : self.H + self.G], heads[:, self.H + self.G :]
            if layer.norms:
                ofqueries, ofkeys = layer.norms
                turning = torch.cat([ofqueries(turning[:, : self.H]), ofkeys(turning[:, self.H :])], dim=1)
            turning = torch.addcmul(turning * cos, turning.roll(self.E // 2, dims=-1), turned)
            kept = block[number]
            kept.view(-1, self.E).index_copy_(
                0, stored, torch.cat([turning[:, self.H :], values], dim=1).view(-1, self.E)
            )
            seen = kept[:, first : first + R, :, :longest]
            queries = turning[:, : self.H].view(R, S, self.G, -1, self.E).permute(0, 2, 3, 1, 4)
            found = torch.nn.functional.scaled_dot_product_attention(
                queries.reshape(R, self.G, -1, self.E), seen[0], seen[1], mask, scale=self.scale
            )
            found = found.view(R, self.G, -1, S, self.E).permute(0, 3, 1, 2, 4).reshape(R * S, -1)
            x = x + layer.mixed(found)
            gate, up = layer.gated(layer.between(x)).chunk(2, dim=-1)
            x = x + layer.narrowed(layer.activation(gate) * up)
        return self.norm(x.view(R, S, D)[:, -1])

    def where(self, block: Tensor, first: int, places_RS: Tensor) -> Tensor:
        """Where in a layer's slab, seen as (2 * rows * G * T, E), the keys and values of the new tokens go."""
        _, _, rows, G, T, _ = block.shape
        R, S = places_RS.shape
        row = torch.arange(first, first + R).view(R, 1, 1, 1)
        kind, group = torch.arange(2).view(1, 1, 2, 1), torch.arange(G)
        return (((kind * rows + row) * G + group) * T + places_RS.view(R, S, 1, 1)).flatten()

    def mask(self, places_RS: Tensor, longest: int) -> Tensor | None:
        """What each query may not see, as -inf, (R, 1, H/G * S, T); none where every row sees all there is."""
        seen = torch.arange(longest) <= places_RS.unsqueeze(-1)
        if seen.all():
            return None
        return torch.zeros(seen.shape).masked_fill(~seen, -torch.inf).repeat(1, self.H // self.G, 1).unsqueeze(1)


def made(layer: Any, form: Form) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    return Layer(
        layer.input_layernorm,
        matrix([attention.q_proj, attention.k_proj, attention.v_proj], form),
        (attention.q_norm, attention.k_norm) if hasattr(attention, "q_norm") else None,
        matrix([attention.o_proj], form),
        layer.post_attention_layernorm,
        matrix([mlp.gate_proj, mlp.up_proj], form),
        mlp.act_fn,
        matrix([mlp.down_proj], form),
    )
