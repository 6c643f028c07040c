"""Our greedy search against transformers' `generate`, and rows that come and go."""

import pytest
import torch

from mrg_llm.model.decoding import decoded, write_many, write_reports
from mrg_llm.model.greedy import greedy
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.slab import fits
from mrg_llm.settings import DecodeSettings
from tests.model.test_modeling import customize, films

SETTINGS = [
    {}, {"min_new_tokens": 10}, {"repetition_penalty": 1.5}, {"no_repeat_ngram": 2, "min_new_tokens": 4}, {"batch": 2},
]  # fmt: skip


@pytest.fixture(params=["before-image", "after-image", "before-answer"])
def deep(request, tiny_settings) -> MRGModel:
    """A model that adds to its prompts in every layer, and whose reports end at different lengths."""
    prompts = tiny_settings.model.prompts.model_copy(update={"deep": True, "position": request.param})
    torch.manual_seed(0)
    model = MRGModel.build(tiny_settings.model.model_copy(update={"prompts": prompts})).eval()
    customize(model)
    with torch.no_grad():
        model.promptbook.deep.offset_LKD.normal_(std=0.1)
        head = model.language.model.get_output_embeddings().weight
        head[model.language.tokenizer.eos_token_id] *= 3
    return model


@pytest.mark.parametrize("changes", SETTINGS)
def test_the_text_is_that_of_generate(deep, changes):
    settings = DecodeSettings(**{"max_new_tokens": 14, **changes})
    with torch.inference_mode():
        seen = deep.see(*films(B=5))
        expected = decoded(deep, seen, settings)
        assert write_reports(deep, seen, settings) == expected
    if not changes:
        assert len({d.tokens for d in expected}) > 1


def test_studies_join_as_rows_become_free_and_come_in_order(deep):
    settings = DecodeSettings(max_new_tokens=14, batch=3)
    looked = []

    def looks():
        for seed in range(4):
            looked.append(seed)
            yield deep.see(*films(seed, B=2 + seed % 2)), None

    with torch.inference_mode():
        expected = [d for seed in range(4) for d in decoded(deep, deep.see(*films(seed, B=2 + seed % 2)), settings)]
        assert list(write_many(deep, looks(), settings)) == expected
        looked.clear()
        next(greedy(deep, looks(), settings))
    assert len(looked) < 4


def test_other_caches_are_left_to_generate(tiny_model, monkeypatch):
    assert fits(tiny_model.language)
    with torch.inference_mode():
        seen, settings = tiny_model.see(*films()), DecodeSettings(max_new_tokens=6)
        ours = write_reports(tiny_model, seen, settings)
        config = tiny_model.language.model.config
        for name, value in {"model_type": "gpt2", "layer_types": ["full_attention", "sliding_attention"]}.items():
            with monkeypatch.context() as patch:
                patch.setattr(config, name, value, raising=False)
                assert not fits(tiny_model.language)
    with monkeypatch.context() as patch:
        patch.setattr("mrg_llm.model.decoding.fits", lambda language: False)
        assert write_reports(tiny_model, seen, settings) == ours


def test_attention_for_training_writes_the_same(tiny_model):
    with torch.inference_mode():
        seen, settings = tiny_model.see(*films()), DecodeSettings(max_new_tokens=6)
        ours = write_reports(tiny_model, seen, settings)
        tiny_model.language.use_matmul_attention(True)
        assert write_reports(tiny_model, seen, settings) == ours
