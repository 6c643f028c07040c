"""No run of tokens twice: beginnings of words are forbidden, the rest of a word never."""

from types import SimpleNamespace

import pytest
import torch

from mrg_llm.errors import SettingsError
from mrg_llm.model.repeats import unrepeated
from mrg_llm.settings import DecodeSettings

TOKENS = ["a", "Ġpneumo", "thorax", "Ġno", "."]
PNEUMO, THORAX, NO, STOP = range(1, 5)


class Tokenizer(list):
    """Tokens by id."""

    def convert_ids_to_tokens(self, ids):
        return [self[i] for i in ids]


def language(tokens, more=0):
    model = SimpleNamespace(config=SimpleNamespace(vocab_size=len(tokens) + more), device="cpu")
    return SimpleNamespace(tokenizer=Tokenizer(tokens), model=model, words=None)


def forbidden(settings, written, more=0):
    scores = torch.zeros(1, len(TOKENS) + more)
    scores[0, STOP] = 1
    found = unrepeated(settings, language(TOKENS, more))(torch.tensor([written]), scores)
    return (found[0] == -torch.inf).nonzero().flatten().tolist()


@pytest.mark.parametrize("more", [0, 3])  # places of the model that its tokenizer does not use
@pytest.mark.parametrize(
    ("written", "within", "at_words"),
    [
        ([NO, PNEUMO, THORAX, STOP, NO], [PNEUMO], [PNEUMO]),  # said before, and it begins a word
        ([NO, PNEUMO, THORAX, STOP, NO, PNEUMO], [THORAX], []),  # the word was begun: it may be finished
        ([NO, PNEUMO, THORAX, STOP], [], []),
    ],
)
def test_what_is_forbidden_after_a_run(written, within, at_words, more):
    assert forbidden(DecodeSettings(no_repeat_ngram=2), written, more) == within
    assert forbidden(DecodeSettings(no_repeat_ngram=2, whole_words=True), written, more) == at_words


def test_nothing_is_glued_to_a_word_in_the_place_of_the_next():
    scores = torch.tensor([[0.0, 3.0, 2.0, 1.0, 0.0]])  # "pneumo" begins next, but was said; "thorax" would be glued on
    written = torch.tensor([[NO, PNEUMO, THORAX, STOP, NO]])
    chosen = unrepeated(DecodeSettings(no_repeat_ngram=2, whole_words=True), language(TOKENS))
    assert int(chosen(written, scores).argmax()) == NO
    scores[0, THORAX] = 4.0  # the word goes on
    assert int(chosen(written, scores).argmax()) == THORAX


def test_a_tokenizer_that_marks_no_words_is_refused():
    with pytest.raises(SettingsError, match="does not mark where words begin; set it to false"):
        unrepeated(DecodeSettings(no_repeat_ngram=2, whole_words=True), language(["a", "b"]))


def test_no_word_is_broken_off(tiny_model):
    """The default tokenizers of tests and of the package mark words."""
    chosen = unrepeated(DecodeSettings(no_repeat_ngram=2, whole_words=True), tiny_model.language)
    tokenizer = tiny_model.language.tokenizer
    ids = tokenizer(" the heart", add_special_tokens=False).input_ids
    assert chosen.starts_V[ids[0]] and len(chosen.starts_V) == tiny_model.language.model.config.vocab_size
