"""LoRA adapters beside the frozen LLM: off by default; with them its own weights stay what they were."""

import importlib.util
import sys

import pytest
import torch

from mrg_llm.errors import SettingsError
from mrg_llm.model.configuration import MRGConfig
from mrg_llm.model.decoding import decoded, write_reports
from mrg_llm.model.language import ADAPTER
from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import DecodeSettings, Settings
from tests.model.test_modeling import build, films

needs_peft = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="peft is not installed")


@pytest.fixture
def config(tiny_settings) -> MRGConfig:
    language = tiny_settings.model.language.model_copy(update={"lora_rank": 2})
    return tiny_settings.model.model_copy(update={"language": language})


def moved(model: MRGModel) -> MRGModel:
    """The same model with adapters that do something."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model


def test_without_peft_one_sentence_names_the_extra(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SettingsError, match=r"lora_rank needs peft.*pip install 'mrg-llm\[lora\]'"):
        MRGModel.build(config)


@needs_peft
def test_at_the_start_nothing_differs_and_only_adapters_of_the_llm_learn(config, tiny_settings):
    plain, adapted = build(tiny_settings.model), build(config)
    ids, mask = torch.tensor([[5, 6, 7]] * 3), torch.ones(3, 3, dtype=torch.bool)
    for name, parameter in plain.trained_parameters().items():
        assert torch.equal(parameter, adapted.trained_parameters()[name]), name
    assert torch.allclose(
        plain.token_losses(plain.see(*films()), ids, mask), adapted.token_losses(adapted.see(*films()), ids, mask),
        atol=1e-6,
    )  # fmt: skip
    extra = adapted.trained_parameters().keys() - plain.trained_parameters().keys()
    assert extra and all(ADAPTER in name for name in extra)
    assert not any("lm_head" in name for name in extra)
    assert adapted.parts()["adapters"] == sum(adapted.trained_parameters()[n].numel() for n in extra)
    assert moved(adapted).language.weights_sha256() == plain.language.weights_sha256()
    assert not torch.allclose(
        plain.token_losses(plain.see(*films()), ids, mask), adapted.token_losses(adapted.see(*films()), ids, mask)
    )


@needs_peft
@pytest.mark.parametrize("changes", [{}, {"min_new_tokens": 10}, {"repetition_penalty": 1.5, "batch": 2}])
def test_our_greedy_search_stays_that_of_generate_while_adapters_move(config, changes):
    """What was read of the constant words with other adapters must not be remembered."""
    model = build(config)
    settings = DecodeSettings(**{"max_new_tokens": 14, **changes})
    with torch.inference_mode():
        seen = model.see(*films(B=5))
        before = write_reports(model, seen, settings)
        assert before == decoded(model, seen, settings)
        moved(model)
        after = write_reports(model, seen, settings)
        assert after == decoded(model, seen, settings) != before


@needs_peft
def test_trained_saved_and_loaded_while_the_llm_keeps_its_hash(tiny_values, tiny_studies, tmp_path):
    from safetensors.torch import load_file

    from mrg_llm import runs
    from mrg_llm.training.loop import train

    tiny_values["model"]["language"]["lora_rank"] = 2
    tiny_values["model"]["prompts"]["variant"] = "none"
    run = train(Settings.model_validate(tiny_values), tiny_studies, tmp_path / "run")
    saved = load_file(run / "model.safetensors")
    learned = [t for name, t in saved.items() if "lora_B" in name]
    assert learned and all(t.abs().sum() > 0 for t in learned)
    assert not any(name.startswith("language.") and ADAPTER not in name for name in saved)
    assert "LoRA adapters of rank 2" in (run / "README.md").read_text()
    model = runs.load(run).model
    assert all(torch.equal(model.trained_parameters()[n], t) for n, t in saved.items() if ADAPTER in n)
