"""No run of tokens twice, without breaking a word off.

Forbidding the token that would say a run again (Paulus et al. 2017, arXiv 1705.04304) also forbids it within a word: a
small model that may not finish "pneumothorax" a second time goes on with "pneumothrombal". Here only tokens that begin
a word are forbidden: a word that was begun may be finished, and where the word that comes next is forbidden, nothing is
glued to the last one in its place. Legend: R rows, S tokens written, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import NoRepeatNGramLogitsProcessor

from mrg_llm.errors import SettingsError
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.settings import DecodeSettings

SPACES = ("Ġ", "▁", " ")  # how tokenizers write the space before a word: byte-level BPE, SentencePiece, as it is


class NoRepeatAtWords(NoRepeatNGramLogitsProcessor):
    """size: of the runs, in tokens. starts_V: which tokens begin a word; letters_V: which others are letters."""

    def __init__(self, size: int, starts_V: Tensor, letters_V: Tensor):
        super().__init__(size)
        self.starts_V, self.letters_V = starts_V, letters_V

    def __call__(self, ids_RS: Tensor, scores_RV: Tensor) -> Tensor:
        """scores with what is forbidden at minus infinity, (R, V)."""
        best_R1 = scores_RV.argmax(1, keepdim=True)
        left_RV = torch.where(self.starts_V, super().__call__(ids_RS, scores_RV), scores_RV)
        wanted_R1 = left_RV.gather(1, best_R1) == -torch.inf  # another word begins, or the sentence ends
        return left_RV.masked_fill(wanted_R1 & self.letters_V, -torch.inf)


def unrepeated(settings: DecodeSettings, language: FrozenLanguageModel) -> NoRepeatNGramLogitsProcessor:
    """What forbids a run of `settings.no_repeat_ngram` tokens twice.

    Raises SettingsError for whole words where the tokenizer marks no beginnings.
    """
    if not settings.whole_words:
        return NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram)
    if language.words is None:
        language.words = parts_of_words(language.tokenizer, language.model.config.vocab_size)
    starts_V, letters_V = (part.to(language.model.device) for part in language.words)
    if not starts_V.any():
        raise SettingsError(
            "decode.whole_words was given, but this tokenizer does not mark where words begin; set it to false"
        )
    return NoRepeatAtWords(settings.no_repeat_ngram, starts_V, letters_V)


def parts_of_words(tokenizer, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Which tokens begin a word, and which others are letters, (V,) each. vocabulary: the model's V, which may be
    more than the tokenizer has."""
    tokens = tokenizer.convert_ids_to_tokens(list(range(min(vocabulary, len(tokenizer)))))
    tokens += [""] * (vocabulary - len(tokens))
    starts_V = torch.tensor([bool(token) and token.startswith(SPACES) for token in tokens])
    letters_V = torch.tensor([bool(token) and token[0].isalpha() for token in tokens])
    return starts_V, letters_V & ~starts_V
