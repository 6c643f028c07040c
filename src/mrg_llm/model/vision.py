"""Films -> patch features: any ViT-like encoder of transformers, by name, hub id or folder.

In: gray films (B*W, 1, side, side) in 0..1. Out: patch features and a class feature. ViT, DeiT, Swin, DINOv2,
CLIP, SigLIP and RAD-DINO give their patches in different wrappings; this file is where the differences end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mrg_llm.errors import ModelSourceError, SettingsError
from mrg_llm.model.arithmetic import Mixed
from mrg_llm.model.attention import MATMUL
from mrg_llm.model.configuration import VisionConfig
from mrg_llm.model.sources import load_pretrained

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Encoders whose frozen layers can be run once and remembered: what stands between the last layer and the patches.
LAST_NORM = {"dinov2": "layernorm", "dinov2_with_registers": "layernorm", "vit": "layernorm", "deit": "layernorm"}


class VisionEncoder(Mixed):
    """A transformers vision model that takes gray films of one size and returns its patches.

    `width`: C. `patches`: N, the number of patch features of a film.
    """

    def __init__(
        self, config: VisionConfig, backbone: nn.Module, mean: tuple = IMAGENET_MEAN, std: tuple = IMAGENET_STD
    ):
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.side_patches = config.side_px // stride(backbone.config)
        self.patches = self.side_patches**2
        self.width = feature_width(backbone.config)
        keep_layers(backbone, config.layers)
        freeze_lower_layers(backbone, config.trained_layers)

    @classmethod
    def load(cls, config: VisionConfig) -> VisionEncoder:
        """The encoder with its published weights. Raises ModelSourceError where they cannot be had."""
        backbone = load_pretrained(config.source, kind="vision")
        check_side(config, backbone.config)
        mean, std = normalisation(config.source)
        return cls(config, backbone, mean, std)

    def forward(self, films_BHW: Tensor) -> tuple[Tensor, Tensor]:
        """films (B, 1, side, side) in 0..1 -> patch features (B, N, C) and class feature (B, C), float32."""
        with self.arithmetic(self.mean):
            tokens_BTC = self.run(films_BHW).last_hidden_state
        return self.parted(tokens_BTC.float())

    @property
    def remembers(self) -> bool:
        """Whether its lower layers are frozen, so that what they make of a film need be computed only once."""
        trained = self.config.trained_layers
        return trained is not None and self.backbone.config.model_type in LAST_NORM

    @torch.no_grad()
    def below(self, films_BHW: Tensor) -> Tensor:
        """films (B, 1, side, side) -> what reaches the first trained layer (or the last norm), (B, T, C)."""
        layers = transformer_layers(self.backbone)
        first = len(layers) - (self.config.trained_layers or 0)
        reached = layers[first] if first < len(layers) else self.last_norm()

        def catch(module, inputs):
            raise _Reached(inputs[0])

        hook = reached.register_forward_pre_hook(catch)
        try:
            with self.arithmetic(self.mean):
                self.run(films_BHW)
        except _Reached as found:
            return found.tokens_BTC
        finally:
            hook.remove()
        raise AssertionError("the encoder never reached its trained layers")

    def above(self, tokens_BTC: Tensor) -> tuple[Tensor, Tensor]:
        """The rest of `forward` from what `below` gave."""
        layers = transformer_layers(self.backbone)
        with self.arithmetic(self.mean):
            for layer in layers[len(layers) - (self.config.trained_layers or 0) :]:
                tokens_BTC = layer(tokens_BTC, attention_mask=None)
            tokens_BTC = self.last_norm()(tokens_BTC)
        return self.parted(tokens_BTC.float())

    def run(self, films_BHW: Tensor):
        pixels = (films_BHW.expand(-1, 3, -1, -1) - self.mean) / self.std
        return self.backbone(pixel_values=pixels, **self.position_argument())

    def last_norm(self) -> nn.Module:
        return getattr(self.backbone, LAST_NORM[str(self.backbone.config.model_type)])

    def parted(self, tokens_BTC: Tensor) -> tuple[Tensor, Tensor]:
        """Patch features (B, N, C) and class feature (B, C) of whatever the encoder returns."""
        if tokens_BTC.ndim == 4:  # a feature map (B, C, h, w)
            tokens_BTC = tokens_BTC.flatten(2).transpose(1, 2)
        patches_BNC = tokens_BTC[:, -self.patches :]
        has_class_token = tokens_BTC.shape[1] > self.patches
        return patches_BNC, tokens_BTC[:, 0] if has_class_token else patches_BNC.mean(1)

    def position_argument(self) -> dict[str, bool]:
        """DINOv2 always fits its positions to the film; the others do when asked."""
        kind = self.backbone.config.model_type
        return {} if kind.startswith("dinov2") else {"interpolate_pos_encoding": True}

    def use_matmul_attention(self) -> None:
        """Train on a CPU with attention whose backward pass is fast there (attention.py)."""
        if getattr(self.backbone, "_supports_attention_backend", False):
            self.backbone.set_attn_implementation(MATMUL)


class _Reached(Exception):
    """Thrown from the first trained layer: nothing above it need run."""

    def __init__(self, tokens_BTC: Tensor):
        super().__init__()
        self.tokens_BTC = tokens_BTC


def stride(config) -> int:
    """Pixels between neighbouring patch features."""
    patch = config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0]
    return patch * 2 ** (len(config.depths) - 1) if hasattr(config, "depths") else patch


def feature_width(config) -> int:
    return int(config.hidden_size)


def check_side(config: VisionConfig, backbone_config) -> None:
    step = stride(backbone_config)
    if config.side_px % step:
        nearest = max(step, round(config.side_px / step) * step)
        raise SettingsError(
            f"vision.side_px is {config.side_px}, but {config.source} needs a multiple of {step}; try {nearest}"
        )


def normalisation(source: str) -> tuple[tuple, tuple]:
    """Mean and deviation the encoder was trained with, from its preprocessor file; ImageNet's where it has none."""
    from transformers.image_processing_base import ImageProcessingMixin

    from mrg_llm.model.wheels import WHEEL_MODELS

    if source in WHEEL_MODELS:
        return IMAGENET_MEAN, IMAGENET_STD
    try:
        settings, _ = ImageProcessingMixin.get_image_processor_dict(source)
    except (OSError, ValueError):
        return IMAGENET_MEAN, IMAGENET_STD
    return tuple(settings.get("image_mean", IMAGENET_MEAN)), tuple(settings.get("image_std", IMAGENET_STD))


def keep_layers(backbone: nn.Module, count: int | None) -> None:
    """Cut the encoder off after its first `count` layers."""
    if count is None:
        return
    layers = transformer_layers(backbone)
    if count > len(layers) or hasattr(backbone.config, "depths"):
        raise SettingsError(f"vision.layers is {count}, but {type(backbone).__name__} has {len(layers)} to choose from")
    for module in backbone.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == len(layers) and child[0] is layers[0]:
                setattr(module, name, nn.ModuleList(layers[:count]))
                backbone.config.num_hidden_layers = count
                return


def freeze_lower_layers(backbone: nn.Module, trained: int | None) -> None:
    """Leave gradients only to the last `trained` transformer layers and what stands above them."""
    if trained is None:
        return
    layers = transformer_layers(backbone)
    if trained > len(layers):
        raise SettingsError(f"vision.trained_layers is {trained}, but the encoder has {len(layers)} layers")
    backbone.requires_grad_(False)
    if trained == 0:
        return
    for layer in layers[-trained:]:
        layer.requires_grad_(True)
    for name, module in backbone.named_modules():
        if name in ("layernorm", "post_layernorm", "norm"):
            module.requires_grad_(True)


def transformer_layers(backbone: nn.Module) -> list[nn.Module]:
    """The encoder's blocks, in order: the longest list of modules in it (Swin: its stages)."""
    lists = [m for m in backbone.modules() if isinstance(m, nn.ModuleList)]
    if not lists:
        raise ModelSourceError(f"{type(backbone).__name__} has no list of layers; use a ViT-like encoder")
    return list(max(lists, key=len))
