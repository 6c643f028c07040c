"""Consensus decoding: samples that do not depend on the batch, and the one that the others agree with."""

import torch

from mrg_llm.model.consensus import SeededSampling, likeness, most_agreed, ngrams
from mrg_llm.model.decoding import sampled_reports, write_reports
from mrg_llm.settings import DecodeSettings
from tests.model.test_modeling import films

SETTINGS = DecodeSettings(samples=4, temperature=1.0, min_new_tokens=5, max_new_tokens=5)


def test_a_study_gets_the_same_samples_alone_and_in_a_batch(tiny_model):
    pixels, views = films()
    together = sampled_reports(tiny_model, tiny_model.see(pixels, views), SETTINGS)
    assert [len(group) for group in together] == [4] * len(pixels)
    for i, group in enumerate(together):
        alone = sampled_reports(tiny_model, tiny_model.see(pixels[i : i + 1], views[i : i + 1]), SETTINGS)
        assert alone == [group]
    assert len({draft.text for draft in together[0]}) > 1
    other = sampled_reports(tiny_model, tiny_model.see(pixels, views), SETTINGS.model_copy(update={"seed": 1}))
    assert other != together


def test_the_report_written_is_one_of_the_samples(tiny_model):
    seen = tiny_model.see(*films())
    groups = sampled_reports(tiny_model, seen, SETTINGS)
    assert all(draft in group for draft, group in zip(write_reports(tiny_model, seen, SETTINGS), groups, strict=True))


def test_samples_come_as_often_as_the_model_says():
    logits = torch.tensor([0.6, 0.3, 0.1]).log().expand(2000, 3)
    drawn = SeededSampling(2000, 1.0, 0)(torch.zeros(2000, 1), logits).argmax(-1)
    assert torch.allclose(drawn.bincount().float() / 2000, torch.tensor([0.6, 0.3, 0.1]), atol=0.04)
    colder = SeededSampling(2000, 0.1, 0)(torch.zeros(2000, 1), logits).argmax(-1)
    assert (colder == 0).float().mean() > 0.98


def test_the_most_agreed_text():
    texts = ["the heart is large", "no effusion is seen . the heart is normal", "the heart is normal . no effusion"]
    assert most_agreed([*texts, "no effusion . the heart is normal"]) == 3
    assert most_agreed(["a b", "a b", "c"]) == 0
    assert most_agreed([""]) == 0 and likeness(ngrams(""), ngrams("")) == 1.0
    assert likeness(ngrams("a b c d e"), ngrams("a b c d e")) == 1.0 and likeness(ngrams("a"), ngrams("b")) == 0.0
