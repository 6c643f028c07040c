"""The frozen LLM in 8 and 4 bits. Without bitsandbytes: what transformers is told, and what a user is. With it (it also
runs on CPUs): that training, deep prompts, saving and greedy search work through quantized layers."""

import importlib.metadata
import importlib.util
import sys
import types

import pytest
import torch

from mrg_llm.errors import ModelSourceError, SettingsError
from mrg_llm.model.configuration import LanguageConfig
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.quantization import quantization_arguments, quantizing
from mrg_llm.settings import Settings

INSTALLED = importlib.util.find_spec("bitsandbytes") is not None
needs_peft = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="peft is not installed")
needs_bitsandbytes = pytest.mark.skipif(not INSTALLED, reason="bitsandbytes is not installed")
BITS = ("8bit", "4bit")


def quantized(tiny_values: dict, how: str) -> Settings:
    tiny_values["model"]["language"]["quantize"] = how
    tiny_values["model"]["prompts"]["deep"] = True
    return Settings.model_validate(tiny_values)


@pytest.fixture
def pretended(monkeypatch):
    """As if bitsandbytes were there, as far as transformers' settings ask."""
    find, version = importlib.util.find_spec, importlib.metadata.version
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: types if n == "bitsandbytes" else find(n, *a))
    monkeypatch.setattr(importlib.metadata, "version", lambda n: "0.50.0" if n == "bitsandbytes" else version(n))


@pytest.mark.parametrize("how", BITS)
def test_what_transformers_is_told_and_where_the_hash_comes_from(tiny_llm, tiny_settings, monkeypatch, pretended, how):
    """The quantized model is replaced by one of other weights: its hash must still be that of the published ones."""
    from transformers import AutoModelForCausalLM

    load, asked = AutoModelForCausalLM.from_pretrained, []

    def loading(*arguments, quantization_config=None, **more):
        asked.append(quantization_config)
        model = load(*arguments, **more)
        if quantization_config is not None:
            torch.nn.init.zeros_(model.lm_head.weight)
        return model

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", loading)
    config = tiny_settings.model.language
    published = FrozenLanguageModel.load(config).weights_sha256()
    language = FrozenLanguageModel.load(config.model_copy(update={"quantize": how}), torch.bfloat16)
    told = asked[-1]
    assert (told.load_in_8bit, told.load_in_4bit) == (how == "8bit", how == "4bit")
    if how == "4bit":
        assert told.bnb_4bit_compute_dtype == torch.bfloat16 and told.bnb_4bit_quant_type == "nf4"
    assert language.weights_sha256() == published and asked[-1] is None


def test_what_a_user_is_told(monkeypatch, tiny_values):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    assert quantization_arguments("any", "none", torch.float32) == {}
    with pytest.raises(ModelSourceError, match=r"8bit .* needs the package bitsandbytes: pip install"):
        MRGModel.build(quantized(tiny_values, "8bit").model)
    with pytest.raises(SettingsError, match="GGUF file"):
        quantization_arguments("model.gguf", "4bit", torch.float32)
    with (
        pytest.raises(ModelSourceError, match=r"no kernel .* leave model\.language\.quantize out"),
        quantizing("x", "4bit"),
    ):
        raise RuntimeError("no kernel\nfor this device")
    with pytest.raises(RuntimeError, match="of another kind"), quantizing("x", "none"):
        raise RuntimeError("of another kind")


@needs_bitsandbytes
@pytest.mark.parametrize("how", BITS)
def test_training_through_quantized_layers(tiny_values, tiny_studies, tmp_path, how):
    """A whole run: its losses are near those of the unquantized LLM, its hash is the published one, and it loads."""
    import json

    from mrg_llm import runs
    from mrg_llm.training.loop import train
    from tests.training.test_loop import losses

    tiny_values["align_global"]["epochs"] = tiny_values["align_local"]["epochs"] = 0
    plain = train(quantized(tiny_values, "none"), tiny_studies, tmp_path / "plain")
    run = train(quantized(tiny_values, how), tiny_studies, tmp_path / "run")
    close = pytest.approx(list(losses(plain).values()), rel=0.05)
    assert list(losses(run).values()) == close and losses(run) != losses(plain)
    configs = [json.loads((folder / "config.json").read_text())["language"] for folder in (plain, run)]
    assert configs[0]["weights_sha256"] == configs[1]["weights_sha256"] and configs[1]["quantize"] == how
    assert f"held in {how}" in (run / "README.md").read_text()
    reporter = runs.load(run)
    kinds = {type(module).__name__ for module in reporter.model.language.model.modules()}
    assert {"8bit": "Linear8bitLt", "4bit": "Linear4bit"}[how] in kinds


@needs_bitsandbytes
@pytest.mark.parametrize("how", BITS)
def test_greedy_search_writes_what_generate_writes(tiny_values, how):
    from mrg_llm.model.decoding import decoded, write_reports
    from mrg_llm.model.slab import fits

    settings = quantized(tiny_values, how)
    torch.manual_seed(0)
    model = MRGModel.build(settings.model).eval()
    assert fits(model.language)
    with torch.inference_mode():
        seen = model.see(torch.rand(1, 1, 32, 32), torch.ones(1, 1, dtype=torch.bool))
        expected = decoded(model, seen, settings.decode)
    assert write_reports(model, seen, settings.decode) == expected


@needs_bitsandbytes
@pytest.mark.parametrize("how", BITS)
def test_the_gradient_is_whole_after_a_pass_without_one(tiny_llm, monkeypatch, caplog, how):
    """On processors with bfloat16 instructions bitsandbytes repacks 4-bit matrices in such a pass, and cuts the
    gradient; and it warns at every product of 8-bit matrices."""
    modules = pytest.importorskip("bitsandbytes.nn.modules")
    monkeypatch.setattr(modules, "has_avx512bf16", lambda: True, raising=False)
    source = LanguageConfig(source=str(tiny_llm), quantize=how)
    language = FrozenLanguageModel.load(source)
    words, ones = torch.randn(1, 5, 32), torch.ones(1, 5, dtype=torch.long)

    def gradient() -> torch.Tensor:
        inputs = words.clone().requires_grad_()
        language.hidden(inputs, ones, torch.arange(5).unsqueeze(0)).square().sum().backward()
        return inputs.grad

    before = gradient()
    with torch.no_grad():
        language.hidden(words, ones, torch.arange(5).unsqueeze(0))
    assert torch.equal(gradient(), before)
    assert not caplog.records


@needs_peft
@needs_bitsandbytes
@pytest.mark.parametrize("how", BITS)
def test_adapters_beside_quantized_layers(tiny_values, tiny_studies, tmp_path, how):
    """They learn, are found in the folder, and move what is written."""
    from safetensors.torch import load_file

    from mrg_llm import runs
    from mrg_llm.model.decoding import decoded, write_reports
    from mrg_llm.training.loop import train

    tiny_values["align_global"]["epochs"] = tiny_values["align_local"]["epochs"] = 0
    tiny_values["model"]["language"]["lora_rank"] = 2
    run = train(quantized(tiny_values, how), tiny_studies, tmp_path / "run")
    learned = [t for name, t in load_file(run / "model.safetensors").items() if "lora_B" in name]
    assert learned and all(t.abs().sum() > 0 for t in learned)
    reporter = runs.load(run)
    with torch.inference_mode():
        seen, context = reporter.look(tiny_studies.split("val")[:1])
        written = write_reports(reporter.model, seen, reporter.decode, context)
        assert written == decoded(reporter.model, seen, reporter.decode, context)
