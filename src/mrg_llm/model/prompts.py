"""THE FILE TO READ FIRST: the promptbook, and its customization by the image.

In: the encoder's patch features X (and the visual tokens V). Out: the instance's own prompts P'.

    prompt-wise        (gamma_k, beta_k) = g_k(c)    p'_k = gamma_k * p_k + beta_k    one transformation a prompt
    promptbook-wise    (gamma, beta)     = g(c)      P'   = gamma * P + beta          one for the whole book
    static             P' = P                                                         prompt tuning (arXiv 2104.08691)
    none               no prompts                                                     the ancestor (R2GenGPT, shallow)

gamma = 1 + delta and the last layer of g starts at zero, so at step 0 every variant is the static one
(arXiv 2506.15477; FiLM, arXiv 1709.07871). Legend: B batch, N patch features of all views, K prompts, C width of the
encoder, D width of the LLM, R width of the customizer's trunk.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mrg_llm.model.configuration import PromptConfig
from mrg_llm.model.pooling import masked_mean
from mrg_llm.model.probe import Probe

CUSTOMIZED = ("prompt-wise", "promptbook-wise")
DEEP_STEP = 10.0  # how much faster than the book deep prompts move: they start from nothing
RANK = 4  # of the low-rank transformation


class Promptbook(nn.Module):
    """K learned prompts, shared by all studies, and the customizer that makes them this study's own.

    `start_KD`: embeddings of real tokens of the LLM, from which the prompts start, so that they have the scale of
    what the LLM is used to read.
    """

    def __init__(
        self, config: PromptConfig, start_KD: Tensor, feature_width: int, visual_width: int,
        layer_scale_L: Tensor | None = None,
    ):  # fmt: skip
        super().__init__()
        self.config = config
        self.book_KD = nn.Parameter(start_KD.detach().clone().float())
        # beta is measured in units of the embeddings: a step of the optimizer moves gamma and beta alike.
        self.register_buffer("unit", start_KD.detach().float().std(), persistent=True)
        self.customizer = None
        if config.variant in CUSTOMIZED:
            self.customizer = Customizer(config, feature_width, visual_width, start_KD.shape[1])
        self.deep = None
        if config.deep:
            K, D = start_KD.shape
            self.deep = DeepPrompts(layer_scale_L, K, D, config.width if self.customizer else 0)

    def forward(
        self, features_BNC: Tensor, mask_BN: Tensor, cls_BC: Tensor, visual_BC: Tensor, folds_B: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The customized prompts P', (B, K, D), and what the customizer's trunk saw, (B, H, R), or None.

        mask_BN is true where a patch feature belongs to a real view; folds_B: of training films, for the probe.
        """
        if self.customizer is None:
            return self.book_KD.expand(features_BNC.shape[0], -1, -1), None
        delta, beta, trunk_BHR = self.customizer(features_BNC, mask_BN, cls_BC, visual_BC, folds_B)
        return (1 + delta) * self.book_KD + self.unit * beta, trunk_BHR

    def at_every_layer(self, prompts_BKD: Tensor, trunk_BHR: Tensor | None) -> Tensor | None:
        """What is added to the hidden states at the prompts' places, (B, L, K, D); None without deep prompts."""
        if self.deep is None:
            return None
        return self.deep((prompts_BKD - self.book_KD) / self.unit, trunk_BHR)


class DeepPrompts(nn.Module):
    """Prompts at every layer (after prefix tuning, arXiv 2101.00190): a learned offset a layer and prompt, the
    customized part of P' again, weighed by dimension, and at every layer its own map of what the customizer saw: deep
    layers speak another language than the embeddings. Starts at zero: at the first step nothing is added."""

    def __init__(self, layer_scale_L: Tensor, prompts: int, width: int, trunk_width: int):
        super().__init__()
        layers = len(layer_scale_L)
        # Hidden states grow from layer to layer; in units of each layer's own spread a step means the same everywhere.
        self.register_buffer("layer_scale_L", layer_scale_L.detach().float())
        self.offset_LKD = nn.Parameter(torch.zeros(layers, prompts, width))
        self.gain_LD = self.map_LRD = None
        if trunk_width:
            self.gain_LD = nn.Parameter(torch.zeros(layers, width))
            self.map_LRD = nn.Parameter(torch.zeros(layers, trunk_width, width))

    def forward(self, customized_BKD: Tensor, trunk_BHR: Tensor | None) -> Tensor:
        added_BLKD = self.offset_LKD.expand(len(customized_BKD), -1, -1, -1)
        if trunk_BHR is not None:
            mapped_BLHD = torch.einsum("bhr,lrd->blhd", trunk_BHR, self.map_LRD) * trunk_BHR.shape[-1] ** -0.5
            added_BLKD = added_BLKD + self.gain_LD.unsqueeze(1) * customized_BKD.unsqueeze(1) + mapped_BLHD
        return DEEP_STEP * self.layer_scale_L.view(-1, 1, 1) * added_BLKD


class Customizer(nn.Module):
    """g: what the image looks like -> (delta, beta), each (B, K, D), or (B, 1, D) for promptbook-wise; and what its
    trunk made of the image, (B, K, R) or (B, 1, R)."""

    def __init__(self, config: PromptConfig, feature_width: int, visual_width: int, prompt_width: int):
        super().__init__()
        self.config = config
        self.heads = config.prompts if config.variant == "prompt-wise" else 1
        self.prompt_width = prompt_width
        self.probe = None
        width = {"visual": visual_width, "probe": config.probe}.get(config.condition, feature_width)
        if config.condition == "attention":
            self.queries_HC = nn.Parameter(torch.randn(self.heads, width) * width**-0.5)
        if config.condition == "probe":
            self.probe = Probe(feature_width, config.probe)
        # What a probe tells is as large as it is sure.
        self.norm = nn.Identity() if config.condition == "probe" else nn.LayerNorm(width)
        self.trunk = nn.Sequential(nn.Linear(width, config.width), nn.GELU())
        outputs = {"vector": prompt_width, "scalar": 1, "low-rank": RANK}[config.shape]
        # One head a prompt: (H, R, 2 * outputs). Zero: at step 0 nothing is customized, and only this has a gradient.
        self.last_HRO = nn.Parameter(torch.zeros(self.heads, config.width, 2 * outputs))
        self.last_bias_HO = nn.Parameter(torch.zeros(self.heads, 2 * outputs))
        if config.shape == "low-rank":
            self.basis_2ED = nn.Parameter(torch.randn(2, RANK, prompt_width) * RANK**-0.5)

    def forward(
        self, features_BNC: Tensor, mask_BN: Tensor, cls_BC: Tensor, visual_BC: Tensor, folds_B: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        condition_BHC = self.condition(features_BNC, mask_BN, cls_BC, visual_BC, folds_B)
        trunk_BHR = self.dropped(self.trunk(self.dropped(self.norm(condition_BHC)))).expand(-1, self.heads, -1)
        out_BHO = torch.einsum("bhr,hro->bho", trunk_BHR, self.last_HRO) + self.last_bias_HO
        delta, beta = out_BHO.chunk(2, dim=-1)
        if self.config.shape == "low-rank":
            delta, beta = delta @ self.basis_2ED[0], beta @ self.basis_2ED[1]
        shape = (*delta.shape[:2], self.prompt_width)
        delta, beta = delta.expand(shape), beta.expand(shape)
        if self.config.terms == "gamma":
            beta = torch.zeros_like(beta)
        if self.config.terms == "beta":
            delta = torch.zeros_like(delta)
        return delta, beta, trunk_BHR

    def dropped(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.config.dropout, self.training) if self.config.dropout else x

    def condition(
        self, features_BNC: Tensor, mask_BN: Tensor, cls_BC: Tensor, visual_BC: Tensor, folds_B: Tensor | None = None
    ) -> Tensor:
        """c: (B, 1, C), or (B, H, C) where every prompt looks for itself."""
        match self.config.condition:
            case "mean":
                return masked_mean(features_BNC, mask_BN).unsqueeze(1)
            case "cls":
                return cls_BC.unsqueeze(1)
            case "visual":
                return visual_BC.unsqueeze(1)
            case "probe":
                assert self.probe is not None
                return self.probe(features_BNC, mask_BN, folds_B).unsqueeze(1)
            case "attention":
                scores_BHN = torch.einsum(
                    "hc,bnc->bhn", self.queries_HC, nn.functional.layer_norm(features_BNC, features_BNC.shape[-1:])
                )
                weights_BHN = scores_BHN.masked_fill(~mask_BN.unsqueeze(1), float("-inf")).softmax(-1)
                return weights_BHN @ features_BNC
