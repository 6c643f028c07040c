"""Predictions and references -> the strings that are compared, and the words that say how: a score without its
protocol is a rumour.

A protocol is a row of `PROTOCOLS`. Metrics take what `prepare` returns and never touch text again. Clinical metrics
do not pass through here: a labeler reads whole, uncleaned reports, whatever the protocol.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mrg_llm.errors import InputError
from mrg_llm.studies.cleaning import R2GEN_IU, R2GEN_MIMIC, R2GENGPT_MIMIC, UNKNOWN

Cut = Callable[[str, int], str]
"""(text, n) -> the text of its first n tokens, decoded again: what an LLM's tokenizer does to a reference."""


@dataclass(frozen=True)
class Prepared:
    """Strings of space-separated tokens, ready for every n-gram metric, in the order given."""

    predictions: tuple[str, ...]
    references: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """How text is made comparable.

    words: the whole protocol in words, printed with every table. clean_prediction, clean_reference: text -> text.
    reference_words: references are cut to so many words. rare_below: reference words seen less often than this in the
    training reports become <unk>. reference_tokens: references are cut to so many tokens of the LLM's tokenizer.
    """

    name: str
    words: str
    clean_prediction: Callable[[str], str]
    clean_reference: Callable[[str], str]
    reference_words: int | None = None
    rare_below: int | None = None
    reference_tokens: int | None = None
    clean_training: Callable[[str], str] = str  # for baselines, whose text comes untouched from the training split

    def prepare(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        training_reports: Sequence[str] | None = None,
        cut: Cut | None = None,
    ) -> Prepared:
        """Clean both sides; cut and mask the references as the protocol says.

        Raises InputError where the protocol needs the training reports or the LLM's tokenizer and none is given.
        """
        if len(predictions) != len(references):
            raise InputError(f"{len(predictions)} predictions and {len(references)} references cannot be compared")
        if self.rare_below and not training_reports:
            raise InputError(
                f"protocol {self.name} turns words that are rare in the training reports into {UNKNOWN}: give the "
                "training data (--data), or use the protocol 'full'"
            )
        if self.reference_tokens and cut is None:
            raise InputError(
                f"protocol {self.name} cuts references to {self.reference_tokens} tokens of the language model's "
                "tokenizer: name the language model (--llm), or use the protocol 'full'"
            )
        cleaned = [self.clean_reference(text) for text in references]
        if self.reference_tokens and cut is not None:
            cleaned = [cut(text, self.reference_tokens) for text in cleaned]
        if self.rare_below and training_reports:
            known = self.vocabulary(training_reports)
            cleaned = [" ".join(w if w in known else UNKNOWN for w in text.split()) for text in cleaned]
        if self.reference_words:
            cleaned = [" ".join(text.split()[: self.reference_words]) for text in cleaned]
        return Prepared(tuple(self.clean_prediction(text) for text in predictions), tuple(cleaned))

    def vocabulary(self, training_reports: Sequence[str]) -> frozenset[str]:
        """The words that are seen `rare_below` times or more."""
        counts = Counter(word for text in training_reports for word in self.clean_reference(text).split())
        return frozenset(word for word, count in counts.items() if count >= (self.rare_below or 0))


_TOKEN = re.compile(r"<unk>|\d+(?:[.,]\d+)+|[^\W_]+|[^\w\s]|_")


def plain_tokens(text: str) -> str:
    """Lower case, NFKC, every punctuation mark a token of its own, decimal numbers whole."""
    return " ".join(_TOKEN.findall(unicodedata.normalize("NFKC", text).lower()))


def _one_spaced(clean: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: " ".join(clean(text).split())


def _without_unknown(clean: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: clean(text.replace(UNKNOWN, "").strip())


_R2GEN = (
    "R2Gen's cleaning ({data}), faults included; references: words seen fewer than {rare} times in the training "
    "reports become <unk>, then cut to {words} words ({cut} tokens with the leading 0); predictions: the same "
    "cleaning, neither cut nor masked (a rare word that a prediction gets right counts as wrong, because R2Gen's own "
    "models cannot write it); full stops are tokens"
)
_R2GENGPT = (
    "R2GenGPT's cleaning ({data}), faults included; references cut to {cut} tokens of the language model's tokenizer; "
    "predictions: the same cleaning, <unk> deleted, not cut; full stops are tokens"
)


def _r2gen(name: str, data: str, cleaner, cut: int, rare: int) -> Protocol:
    return Protocol(
        name,
        _R2GEN.format(data=data, rare=rare, words=cut - 1, cut=cut),
        _one_spaced(cleaner.keeping_unknown),  # R2Gen's decoder writes single spaces, on both sides
        _one_spaced(cleaner),
        reference_words=cut - 1,
        rare_below=rare,
    )


def _r2gengpt(name: str, data: str, cleaner, cut: int) -> Protocol:
    words = _R2GENGPT.format(data=data, cut=cut)
    return Protocol(name, words, _without_unknown(cleaner), cleaner, reference_tokens=cut)


PROTOCOLS = {
    row.name: row
    for row in (
        Protocol(
            "full",
            "whole references and predictions, lower-cased, each punctuation mark a token of its own, nothing cut, "
            "masked or deleted",
            plain_tokens,
            plain_tokens,
        ),
        Protocol(
            "as-is",
            "text that is tokenized already: tokens are what white space separates (for ROUGE-L a single space); "
            "nothing lower-cased, cleaned or cut (baselines, taken from training reports, are tokenized as "
            "in 'full')",
            str,
            str,
            clean_training=plain_tokens,
        ),
        _r2gen("r2gen-iu", "IU X-ray", R2GEN_IU, 60, 3),
        _r2gen("r2gen-mimic", "MIMIC-CXR", R2GEN_MIMIC, 100, 10),
        _r2gengpt("r2gengpt-iu", "IU X-ray", R2GEN_IU, 60),
        _r2gengpt("r2gengpt-mimic", "MIMIC-CXR", R2GENGPT_MIMIC, 100),
    )
}


def protocol(name: str) -> Protocol:
    """The protocol of this name. Raises InputError with the names there are."""
    if name not in PROTOCOLS:
        raise InputError(f"there is no protocol '{name}'; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
