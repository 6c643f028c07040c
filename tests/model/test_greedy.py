"""Our greedy search against transformers' `generate`, and rows that come and go."""

import math

import pytest
import torch

from mrg_llm.errors import SettingsError
from mrg_llm.model.decoding import decoded, write_many, write_reports
from mrg_llm.model.greedy import greedy
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.sequence import Words
from mrg_llm.model.slab import fits
from mrg_llm.settings import DecodeSettings
from tests.model.test_modeling import customize, films

SETTINGS = [
    {}, {"min_new_tokens": 10}, {"repetition_penalty": 1.5}, {"no_repeat_ngram": 2, "min_new_tokens": 4},
    {"no_repeat_ngram": 2, "whole_words": True, "min_new_tokens": 4}, {"batch": 2},
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


@pytest.mark.parametrize("changes", [{}, {"batch": 2, "no_repeat_ngram": 3}])
def test_guided_search_moves_away_from_what_is_written_unseen(deep, changes):
    settings = DecodeSettings(**{"max_new_tokens": 10, "guidance": 2.0, **changes})
    with torch.inference_mode():
        seen = deep.see(*films(B=3))
        guided = [row.ids for row in sorted(greedy(deep, [(seen, None)], settings), key=lambda row: row.place)]
        plain = [row.ids for row in sorted(greedy(deep, [(seen, None)], unguided(settings)), key=lambda r: r.place)]
        assert guided != plain
        if not changes:
            blind = deep.unseen(seen, torch.ones(3, dtype=torch.bool))
            for place, ids in enumerate(guided):
                written: list[int] = []
                for _ in ids:
                    right, without = (next_logits(deep, look, written)[place] for look in (seen, blind))
                    written.append(int((right + 2 * (right - without)).argmax()))
                assert written == ids


@pytest.mark.parametrize("position", ["before-image", "before-answer"])
def test_guided_studies_of_equal_length_whose_contexts_differ(tiny_settings, position):
    """Two views and two words are as long as one view and six words: seen alike, unseen not."""
    prompts = tiny_settings.model.prompts.model_copy(update={"position": position})
    torch.manual_seed(0)
    model = MRGModel.build(tiny_settings.model.model_copy(update={"prompts": prompts})).eval()
    ids, words = torch.full((2, 6), 5), torch.tensor([[True] * 2 + [False] * 4, [True] * 6])
    views = torch.tensor([[True, True], [True, False]])
    settings = DecodeSettings(max_new_tokens=6, guidance=1.0)
    with torch.inference_mode():
        seen = model.see(films(B=2, W=2)[0], views)
        both = write_reports(model, seen, settings, Words(ids, words))
        for i in range(2):
            own = model.see(films(B=2, W=2)[0][i : i + 1], views[i : i + 1])
            assert write_reports(model, own, settings, Words(ids[i : i + 1], words[i : i + 1])) == both[i : i + 1]


def next_logits(model, seen, written):
    """(B, V): log-probabilities of what follows, from the whole sequence at once."""
    ids = torch.tensor([written] * len(seen.cls)).long().reshape(len(seen.cls), -1)
    inputs = model.llm_input(seen, ids, torch.ones_like(ids, dtype=torch.bool))
    with model.language.deep_prompts(model.at_every_layer(seen), inputs.prompt_start):
        hidden = model.language.hidden(inputs.embeddings, inputs.mask, inputs.positions)
    return model.language.logits(hidden[:, -1]).log_softmax(-1)


def unguided(settings):
    return settings.model_copy(update={"guidance": 0.0})


def test_guidance_is_for_greedy_search_alone(deep, monkeypatch):
    for changes in ({"beams": 3}, {"samples": 4}):
        with pytest.raises(ValueError, match="guidance"):
            DecodeSettings(guidance=1.0, **changes)
    monkeypatch.setattr("mrg_llm.model.decoding.fits", lambda language: False)
    with torch.inference_mode(), pytest.raises(SettingsError, match="guidance"):
        write_reports(deep, deep.see(*films()), DecodeSettings(guidance=1.0))


def test_guidance_moves_only_what_is_plausible(deep):
    guided = DecodeSettings(max_new_tokens=10, guidance=50.0)
    with torch.inference_mode():
        seen = deep.see(*films(B=3))
        blind = deep.unseen(seen, torch.ones(3, dtype=torch.bool))

        def texts(settings):
            return [row.ids for row in sorted(greedy(deep, [(seen, None)], settings), key=lambda row: row.place)]

        assert texts(guided.model_copy(update={"plausible": 1.0})) == texts(unguided(guided))
        some = texts(guided.model_copy(update={"plausible": 0.5}))
        assert some not in (texts(guided), texts(unguided(guided)))
        for place, ids in enumerate(some):
            written: list[int] = []
            for token in ids:
                right, without = (next_logits(deep, look, written)[place] for look in (seen, blind))
                moved = (right + 50 * (right - without)).masked_fill(right < right.max() + math.log(0.5), -torch.inf)
                assert int(moved.argmax()) == token
                written.append(token)
