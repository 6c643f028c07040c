"""The whole model: frozen LLM, one layout for training and decoding, checkpoints of what was trained."""

import pytest
import torch

from mrg_llm.errors import CheckpointError
from mrg_llm.model.configuration import MRGConfig
from mrg_llm.model.decoding import write_reports
from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import DecodeSettings
from mrg_llm.training.optimizer import make_optimizer
from mrg_llm.training.stages import STAGES, make_stage


def films(seed: int = 0, B: int = 3, W: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    views = torch.ones(B, W, dtype=torch.bool)
    views[1, 1:] = False
    return torch.rand(B, W, 32, 32, generator=generator), views


def customize(model: MRGModel) -> None:
    with torch.no_grad():
        model.promptbook.customizer.last_HRO.normal_(std=2.0)


def variant(config: MRGConfig, name: str) -> MRGConfig:
    return config.model_copy(update={"prompts": config.prompts.model_copy(update={"variant": name})})


def build(config: MRGConfig) -> MRGModel:
    torch.manual_seed(0)
    return MRGModel.build(config).eval()


def test_no_weight_of_the_llm_is_trained_optimized_or_saved(tiny_model, tiny_settings):
    frozen = {id(p) for p in tiny_model.language.parameters()}
    assert all(id(p) not in frozen for p in tiny_model.trained_parameters().values())
    assert not any(n.startswith("language.") for n in tiny_model.trained_state())
    for name in STAGES:
        optimizer = make_optimizer(make_stage(name, tiny_model, tiny_settings, None), tiny_settings.train)
        assert all(id(p) not in frozen for g in optimizer.param_groups for p in g["params"])
    assert not tiny_model.train().language.model.training


def test_customized_variants_start_as_the_static_one(tiny_settings):
    losses = {}
    ids, mask = torch.tensor([[5, 6, 7], [8, 9, 0], [5, 5, 5]]), torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 1]]).bool()
    for name in ("static", "prompt-wise", "promptbook-wise"):
        model = build(variant(tiny_settings.model, name))
        losses[name] = model.token_losses(model.see(*films()), ids, mask)
    assert torch.allclose(losses["static"], losses["prompt-wise"], atol=1e-6)
    assert torch.allclose(losses["static"], losses["promptbook-wise"], atol=1e-6)
    assert losses["static"][1, 2] == 0


def test_hidden_words_are_written_but_not_read(tiny_model):
    model, mask = tiny_model.eval(), torch.ones(3, 4, dtype=torch.bool)
    seen = model.see(*films())
    hidden = torch.tensor([False, True, False, False]).expand(3, 4)
    with torch.no_grad():
        ids = [torch.tensor([5, word, 7, 8]).expand(3, 4) for word in (6, 9)]
        one, other = (model.token_losses(seen, each, mask, None, hidden) for each in ids)
        read = model.token_losses(seen, ids[0], mask)
    assert one[0, 1] != other[0, 1], "a hidden word still has to be written"
    assert torch.equal(one[0, [0, 2, 3]], other[0, [0, 2, 3]]), "a hidden word was read"
    assert torch.equal(one[0, :2], read[0, :2]) and not torch.allclose(one[0, 2:], read[0, 2:])


@pytest.mark.parametrize("position", ["before-image", "after-image", "before-answer"])
def test_teacher_forcing_and_step_decoding_see_the_same_logits(tiny_settings, position):
    prompts = tiny_settings.model.prompts.model_copy(update={"position": position})
    model = build(tiny_settings.model.model_copy(update={"prompts": prompts}))
    customize(model)
    with torch.no_grad():
        seen = model.see(*films())
        ids = torch.tensor([[11, 12, 13, 14]]).expand(3, -1)
        forced = model.llm_input(seen, ids, torch.ones_like(ids, dtype=torch.bool))
        hidden = model.language.hidden(forced.embeddings, forced.mask, forced.positions)
        expected = model.language.logits(hidden[:, forced.report_start - 1 : -1])
        bar = model.llm_input(seen)
        out = model.language.model(
            inputs_embeds=bar.embeddings, attention_mask=bar.mask, position_ids=bar.positions, use_cache=True
        )
        steps, mask, place = [out.logits[:, -1]], bar.mask, bar.positions[:, -1:]
        for t in range(3):
            mask = torch.cat([mask, torch.ones(3, 1, dtype=torch.long)], dim=1)
            place = place + 1
            out = model.language.model(
                input_ids=ids[:, t : t + 1], attention_mask=mask, position_ids=place,
                past_key_values=out.past_key_values, use_cache=True,
            )  # fmt: skip
            steps.append(out.logits[:, -1])
    assert torch.allclose(torch.stack(steps, dim=1), expected, atol=1e-4)


def test_token_losses_are_cross_entropy_over_the_whole_sequence(tiny_model):
    ids = torch.tensor([[11, 12, 13], [14, 15, 16], [17, 18, 19]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]]).bool()
    with torch.no_grad():
        seen = tiny_model.see(*films())
        losses = tiny_model.token_losses(seen, ids, mask)
        inputs = tiny_model.llm_input(seen, ids, mask)
        logits = tiny_model.language.model(
            inputs_embeds=inputs.embeddings, attention_mask=inputs.mask, position_ids=inputs.positions
        ).logits
    for row in range(3):
        for t in range(3):
            at = inputs.report_start + t - 1
            expected = -logits[row, at].log_softmax(-1)[ids[row, t]] if mask[row, t] else torch.tensor(0.0)
            assert losses[row, t] == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_study_gets_the_same_report_alone_or_in_a_batch(tiny_model, beams):
    customize(tiny_model)
    pixels, views = films(B=4)
    settings = DecodeSettings(beams=beams, min_new_tokens=8, max_new_tokens=10)
    with torch.no_grad():
        together = [d for d in write_reports(tiny_model, tiny_model.see(pixels, views), settings)]
        alone = []
        for i in range(4):
            mine = views[i].sum()
            seen = tiny_model.see(pixels[i : i + 1, :mine], views[i : i + 1, :mine])
            alone += [d for d in write_reports(tiny_model, seen, settings)]
    assert together == alone
    assert len(set(together)) > 1


def test_decoding_limits_are_kept(tiny_model):
    with torch.no_grad():
        seen = tiny_model.see(*films())
        drafts = write_reports(tiny_model, seen, DecodeSettings(max_new_tokens=8, min_new_tokens=8))
        once = write_reports(tiny_model, seen, DecodeSettings(max_new_tokens=20, no_repeat_ngram=1, min_new_tokens=20))
    assert all(d.tokens == 8 for d in drafts)
    for d in once:
        ids = tiny_model.language.tokenizer(d.text, add_special_tokens=False).input_ids
        assert d.tokens == 20 and ids


def test_save_and_load_give_the_same_model(tiny_model, tmp_path):
    customize(tiny_model)
    tiny_model.save_pretrained(tmp_path)
    again = MRGModel.from_pretrained(tmp_path)
    ids, mask = torch.tensor([[11, 12]] * 3), torch.ones(3, 2, dtype=torch.bool)
    with torch.no_grad():
        first = tiny_model.token_losses(tiny_model.see(*films()), ids, mask)
        second = again.token_losses(again.see(*films()), ids, mask)
    assert torch.equal(first, second)


def test_a_checkpoint_for_another_llm_width_is_refused(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    text = (tmp_path / "config.json").read_text()
    assert '"width": 32' in text
    (tmp_path / "config.json").write_text(text.replace('"width": 32', '"width": 4096'))
    with pytest.raises(CheckpointError, match=r"width 4096.*width 32"):
        MRGModel.from_pretrained(tmp_path)


def test_a_checkpoint_with_a_foreign_weight_is_refused(tiny_model):
    state = tiny_model.trained_state()
    state["promptbook.other"] = state.pop("promptbook.book_KD")
    with pytest.raises(CheckpointError, match="1 weights are missing and 1 unknown"):
        tiny_model.load_trained_state(state)


def test_the_hash_of_the_llm_notices_one_changed_weight(tiny_model):
    before = tiny_model.language.weights_sha256()
    assert tiny_model.language.weights_sha256() == before
    with torch.no_grad():
        tiny_model.language.model.model.norm.weight[3] += 1
    assert tiny_model.language.weights_sha256() != before


def test_deep_prompts_start_at_nothing_and_reach_every_step_of_decoding(tiny_settings):
    plain = build(tiny_settings.model)
    deep = build(
        tiny_settings.model.model_copy(
            update={"prompts": tiny_settings.model.prompts.model_copy(update={"deep": True})}
        )
    )
    ids, mask = torch.tensor([[11, 12, 13]] * 3), torch.ones(3, 3, dtype=torch.bool)
    with torch.no_grad():
        before = plain.token_losses(plain.see(*films()), ids, mask)
        assert torch.allclose(before, deep.token_losses(deep.see(*films()), ids, mask), atol=1e-6)
        customize(deep)
        deep.promptbook.deep.offset_LKD.normal_(std=0.1)
        deep.promptbook.deep.gain_LD.normal_(std=0.1)
        deep.promptbook.deep.map_LRD.normal_(std=0.1)
        after = deep.token_losses(deep.see(*films()), ids, mask)
        assert not torch.allclose(before, after, atol=1e-2)
        greedy = write_reports(deep, deep.see(*films()), DecodeSettings(min_new_tokens=6, max_new_tokens=6))
        beams = write_reports(deep, deep.see(*films()), DecodeSettings(beams=2, min_new_tokens=6, max_new_tokens=6))
        alone = write_reports(
            deep, deep.see(*(t[:1] for t in films())), DecodeSettings(min_new_tokens=6, max_new_tokens=6)
        )
    assert greedy[0] == alone[0] and len(beams) == 3


def test_one_more_visual_token_is_the_mean_of_all_patches(tiny_settings):
    """method.md's control: what customized prompts are told, told as a visual token."""
    plain = build(tiny_settings.model)
    chosen = tiny_settings.model.projection.model_copy(update={"pooled": True})
    pooled = build(tiny_settings.model.model_copy(update={"projection": chosen}))
    seen, more = plain.see(*films()), pooled.see(*films())
    assert plain.parts() == pooled.parts()
    assert torch.equal(more.visual[:, :-1], seen.visual) and more.visual.shape[1] == seen.visual.shape[1] + 1
    mean = (seen.features * seen.feature_mask.unsqueeze(-1)).sum(1) / seen.feature_mask.sum(1, keepdim=True)
    assert torch.allclose(more.visual[:, -1], pooled.projection.to_words(mean), atol=1e-5)
    assert more.visual_mask[:, -1].all() and torch.equal(more.visual_mask[:, :-1], seen.visual_mask)


def test_what_is_unseen_does_not_depend_on_the_film(tiny_model):
    customize(tiny_model)
    with torch.inference_mode():
        one, other = (tiny_model.see(*films(seed)) for seed in (0, 1))
        first = torch.zeros(len(one.cls), dtype=torch.bool)
        first[0] = True
        looks = [tiny_model.llm_input(tiny_model.unseen(seen, first)) for seen in (one, other)]
        real = [look.embeddings[0][look.mask[0].bool()] for look in looks]
        assert torch.equal(*real)
        assert not torch.equal(looks[0].embeddings[1], looks[1].embeddings[1])
