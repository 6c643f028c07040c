"""Every ViT-like family gives a square grid of patches, whatever stands around them."""

import pytest
import torch
import transformers as t

from mrg_llm.errors import SettingsError
from mrg_llm.model.configuration import VisionConfig
from mrg_llm.model.vision import VisionEncoder

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
FAMILIES = {
    "vit": (t.ViTModel, t.ViTConfig(**SMALL, image_size=32, patch_size=8)),
    "deit": (t.DeiTModel, t.DeiTConfig(**SMALL, image_size=32, patch_size=8)),
    "dinov2": (t.Dinov2Model, t.Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2,
                                             image_size=32, patch_size=8)),
    "dinov2-registers": (t.Dinov2WithRegistersModel, t.Dinov2WithRegistersConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=32, patch_size=8,
        num_register_tokens=2)),
    "clip": (t.CLIPModel, t.CLIPConfig(vision_config={**SMALL, "image_size": 32, "patch_size": 8},
                                       text_config={**SMALL, "vocab_size": 50})),
    "siglip": (t.SiglipModel, t.SiglipConfig(vision_config={**SMALL, "image_size": 32, "patch_size": 8},
                                             text_config={**SMALL, "vocab_size": 50})),
    "swin": (t.SwinModel, t.SwinConfig(image_size=32, patch_size=4, embed_dim=12, depths=[1, 1], num_heads=[2, 2],
                                       window_size=2)),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_any_family_from_a_local_folder(family, tmp_path):
    kind, config = FAMILIES[family]
    torch.manual_seed(0)
    kind(config).save_pretrained(tmp_path)
    encoder = VisionEncoder.load(VisionConfig(source=str(tmp_path), side_px=32, trained_layers=1)).eval()
    with torch.no_grad():
        patches, cls = encoder(torch.rand(2, 1, 32, 32))
    assert patches.shape == (2, 16, encoder.width) and cls.shape == (2, encoder.width)
    trained = [n for n, p in encoder.named_parameters() if p.requires_grad]
    assert trained and len(trained) < len(list(encoder.parameters()))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("trained", [0, 1, 2])
def test_frozen_layers_and_the_rest_are_the_whole_encoder(family, trained, tmp_path):
    kind, config = FAMILIES[family]
    torch.manual_seed(0)
    kind(config).save_pretrained(tmp_path)
    encoder = VisionEncoder.load(VisionConfig(source=str(tmp_path), side_px=32, trained_layers=trained)).eval()
    if family in ("clip", "siglip", "swin"):
        assert not encoder.remembers
        return
    assert encoder.remembers
    films = torch.rand(2, 1, 32, 32)
    below = encoder.below(films)
    assert not below.requires_grad
    for whole, parts in zip(encoder(films), encoder.above(below), strict=True):
        assert torch.equal(whole, parts)


def test_an_encoder_that_is_trained_whole_remembers_nothing(tiny_vit):
    assert not VisionEncoder.load(VisionConfig(source=str(tiny_vit), side_px=32)).remembers


def test_a_side_that_is_not_a_multiple_of_the_patch_names_the_nearest(tiny_vit):
    with pytest.raises(SettingsError, match="multiple of 8; try 40"):
        VisionEncoder.load(VisionConfig(source=str(tiny_vit), side_px=38))


def test_more_trained_layers_than_there_are(tiny_vit):
    with pytest.raises(SettingsError, match="encoder has 2 layers"):
        VisionEncoder.load(VisionConfig(source=str(tiny_vit), side_px=32, trained_layers=5))
