"""The alignment losses, and what is true of which study."""

import pytest
import torch

from mrg_llm.model.alignment import (
    AlignmentHeads,
    contrastive_loss,
    said_logits,
    said_loss,
    sentence_loss,
    split_sentences,
    word_loss,
)
from mrg_llm.model.configuration import AlignmentConfig, LanguageConfig
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.studies.study import Study
from mrg_llm.training.data import TextBank, token_weights
from mrg_llm.training.stages import jaccard

REPORTS = [
    "There is a small left pleural effusion. The heart is enlarged.",
    "Small pleural effusion on the left. No pneumothorax.",
    "The lungs are clear. The trachea is central.",
]


@pytest.fixture
def bank(tiny_llm):
    language = FrozenLanguageModel.load(LanguageConfig(source=str(tiny_llm)))
    studies = [Study(str(i), "train", (), report) for i, report in enumerate(REPORTS)]
    return TextBank.build(studies, language, None)


def test_infonce_with_one_positive_is_cross_entropy_in_both_directions():
    torch.manual_seed(0)
    similarity = torch.randn(5, 5)
    target = torch.arange(5)
    expected = torch.nn.functional.cross_entropy(similarity, target) + torch.nn.functional.cross_entropy(
        similarity.T, target
    )
    assert torch.allclose(contrastive_loss(similarity, torch.eye(5)), expected / 2)


def test_reports_are_alike_as_far_as_they_name_the_same():
    present = torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    likeness = jaccard(present)
    assert likeness[0, 1] == 0.5 and likeness[0, 2] == 0 and likeness[2, 3] == 1 and likeness[0, 0] == 1


def test_a_closed_world_of_paraphrases_and_denials(bank):
    sentences = [s for report in REPORTS for s in split_sentences(report)]
    true = bank.truth(range(3), range(len(sentences)))
    table = dict(zip(sentences, true.T.tolist(), strict=True))
    assert table["There is a small left pleural effusion."] == [True, True, False]
    assert table["Small pleural effusion on the left."] == [True, True, False]
    assert table["The heart is enlarged."] == [True, False, False]
    assert table["No pneumothorax."] == [True, True, True]
    assert table["The trachea is central."] == [False, False, True]


def test_sentences_weigh_their_true_films_as_much_as_their_false_ones():
    true = torch.tensor([[True], [False], [False], [False]])
    assert sentence_loss(torch.zeros(4, 1), true) == pytest.approx(0.6931, abs=1e-4)
    never = sentence_loss(torch.full((4, 1), -8.0), true)
    right = sentence_loss(torch.tensor([[8.0], [-8], [-8], [-8]]), true)
    assert never > 3 and right < 0.01


def test_a_prompt_that_becomes_the_word_lowers_the_word_loss():
    torch.manual_seed(0)
    words = torch.randn(6, 16)
    wanted = torch.tensor([[0, 0, 1.0, 0, 0, 0]])
    nothing = torch.zeros(1, 3, 16)
    said = nothing.clone()
    said[0, 1] = words[2]
    assert word_loss(said, words, wanted) < word_loss(nothing, words, wanted)


def test_only_sentences_that_claim_a_finding_are_emphasised(tiny_llm):
    tokenizer = FrozenLanguageModel.load(LanguageConfig(source=str(tiny_llm))).tokenizer
    weights = token_weights(tokenizer, "No pneumothorax. The heart is enlarged.", 4.0)
    ids = tokenizer("No pneumothorax. The heart is enlarged.", add_special_tokens=False).input_ids
    assert len(weights) == len(ids) + 1 and set(weights) == {1.0, 4.0}
    assert weights[0] == 1.0 and weights[-1] == 1.0 and weights[-2] == 4.0


def test_marks_of_deidentification_weigh_nothing_where_they_are_unlearned(tiny_llm):
    tokenizer = FrozenLanguageModel.load(LanguageConfig(source=str(tiny_llm))).tokenizer
    report = "The x-XXXX is  old, ___. The heart is enlarged."
    weights = token_weights(tokenizer, report, 4.0, unlearned=True)
    ids = tokenizer(" ".join(report.split()), add_special_tokens=False).input_ids
    left = tokenizer.decode([i for i, weight in zip(ids, weights[:-1], strict=True) if weight])
    assert left.replace(" ", "") == "Thex-isold,.Theheartisenlarged."
    assert len(weights) == len(ids) + 1 and 0 not in token_weights(tokenizer, report, 4.0)


def test_what_is_said_is_learned_from_the_trunk_alone():
    torch.manual_seed(0)
    trunk, embeddings = torch.randn(40, 2, 3), torch.randn(5, 6)
    said = (trunk.flatten(1)[:, :5] > 0.5).float()
    heads = AlignmentHeads(AlignmentConfig(width=8, said=True), 4, 6, True, trunk_width=6)
    share = said.mean(0)

    def loss():
        return said_loss(said_logits(heads.tell(trunk), embeddings, share), said, share)

    entropy = -(share * share.log() + (1 - share) * (1 - share).log()).sum() / share.sum()
    assert loss().item() == pytest.approx(float(entropy), rel=1e-5)  # at the start: how often reports say it
    optimizer = torch.optim.Adam([heads.said_FD], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.5 * float(entropy)
