"""The layers for writing against transformers' own, over the families that slab.py knows."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from mrg_llm.errors import SettingsError
from mrg_llm.model.decoding import write_reports
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.lean import lean, serves
from mrg_llm.model.slab import Slab, fits
from mrg_llm.settings import DecodeSettings
from tests.model.test_modeling import films

SIZES = {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "initializer_range": 0.3,
}  # fmt: skip
FAMILIES = {
    "llama": LlamaConfig(**SIZES),
    "llama with biases": LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "mistral": MistralConfig(**SIZES, sliding_window=None),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
}


def language_of(config) -> FrozenLanguageModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1).copy_(parameter.to(torch.bfloat16))
    return FrozenLanguageModel(model, None)


def written(language: FrozenLanguageModel, form: str | None) -> list[torch.Tensor]:
    """Logits as rows of two lengths join with deep prompts, and read on together."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    slab = Slab(language, words=(5, 7))
    slab.grow(rows=2, places=20)
    slab.lean = lean(language, form) if form else None
    first = slab.join(draw(2, 6, 32), draw(2, 2, 3, 32), 2)
    second = slab.join(draw(1, 4, 32), draw(1, 2, 3, 32), 1)
    steps = [slab.read(draw(3, 1, 32)) for _ in range(3)]
    slab.leave(0)
    return [first, second, *steps, slab.read(draw(2, 1, 32))]


@pytest.mark.parametrize("form", ["plain", "packed"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_logits_are_those_of_transformers(family, form):
    language = language_of(FAMILIES[family])
    assert fits(language) and serves(language)
    with torch.inference_mode():
        for ours, theirs in zip(written(language, form), written(language, None), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_what_it_serves():
    language = language_of(FAMILIES["llama"])
    language.model.base_model.layers[1].mlp.up_proj = torch.nn.Sequential(torch.nn.Linear(32, 48))  # as peft would
    assert not serves(language)
    assert not serves(language_of(FAMILIES["llama"]).to(torch.bfloat16))


def test_it_is_packed_once(tiny_model):
    with torch.inference_mode():
        seen, settings = tiny_model.see(*films(B=2)), DecodeSettings(max_new_tokens=4)
        one = tiny_model.see(*(part[:1] for part in films(B=2)))
        first = write_reports(tiny_model, one, settings)
        assert set(tiny_model.language.lean) == {"packed"}
        assert write_reports(tiny_model, seen, settings)[:1] == first
    assert lean(tiny_model.language, "packed") is lean(tiny_model.language, "packed")


def test_int8_writes_for_rows_that_come_and_go(tiny_model):
    with torch.inference_mode():
        seen = tiny_model.see(*films(B=5))
        drafts = write_reports(tiny_model, seen, DecodeSettings(max_new_tokens=8, batch=2, weights="int8"))
    assert len(drafts) == 5 and all(0 < d.tokens <= 8 for d in drafts)
    assert set(tiny_model.language.lean) == {"int8"}  # and no other copy of the weights


def test_int8_is_refused_where_it_cannot_be(tiny_model):
    with pytest.raises(ValueError, match="greedy search"):
        DecodeSettings(weights="int8", beams=3)
    tiny_model.language.to(torch.bfloat16)
    with torch.inference_mode(), pytest.raises(SettingsError, match="in float32 on an x86"):
        write_reports(tiny_model, tiny_model.see(*films()), DecodeSettings(weights="int8"))
