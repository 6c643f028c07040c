"""Written reports -> what is wrong with a system that its scores do not show: copying, looping, saying one thing.

Every share is given for the references too, where it makes sense: people copy and compare as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mrg_llm.scoring.outputs import Outputs
from mrg_llm.scoring.protocol import plain_tokens

_COMPARISON = re.compile(
    r"\b(?:unchanged|compar(?:ed|ison)|interval|"
    r"(?:prior|previous|earlier) (?:stud|exam|film|radiograph|x ?- ?ray|x ?ray|image|ct|chest)\w*|"
    r"previously|since (?:the )?(?:prior|previous|last)|no longer|again (?:seen|noted|demonstrated|identified))\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]")


@dataclass(frozen=True)
class Diagnosis:
    """One number about the outputs. what: in words. reference: the same number for the references; None where it has
    no meaning. n: how many outputs it is about. is_share: a share of them, 0 to 1, and not a plain number."""

    what: str
    value: float
    reference: float | None
    n: int
    is_share: bool = True

    def shown(self, value: float | None) -> str:
        """A value as people read it."""
        return "" if value is None else f"{value:.1%}" if self.is_share else f"{value:.1f}"


def diagnose(
    outputs: Outputs,
    training_reports: Sequence[str] | None = None,
    contradictions: Callable[[str], int] | None = None,
) -> dict[str, Diagnosis]:
    """All diagnoses of these outputs by name.

    training_reports: for the share that is copied from them, left out without. contradictions: a report -> how often it
    contradicts itself about a side (anatomy.side_contradictions).
    """
    predictions, references = outputs.predictions, outputs.references
    ours, theirs = [plain_tokens(t) for t in predictions], [plain_tokens(t) for t in references]
    result: dict[str, Diagnosis] = {}

    def add(name: str, what: str, measure: Callable[[Sequence[str]], float], plain: bool = True) -> None:
        pair = (ours, theirs) if plain else (predictions, references)
        result[name] = Diagnosis(what, measure(pair[0]), measure(pair[1]), len(outputs), name != "words")

    add("distinct", "share of distinct reports", lambda texts: len(set(texts)) / len(texts))
    add("most_common", "share that are the most frequent report", _most_common)
    add("words", "tokens a report (mean)", lambda texts: sum(len(t.split()) for t in texts) / len(texts))
    add("empty", "share of empty reports", lambda texts: _share(texts, lambda t: not t))
    add("looping", "share that repeat a sentence, or a phrase three times running", lambda ts: _share(ts, loops))
    add(
        "cut",
        "share without an end",
        lambda texts: _share(texts, lambda t: bool(t) and not _SENTENCE_END.search(t[-1])),
    )
    told = [row.ended for row in outputs if row.ended is not None]
    if told:
        result["cut"] = Diagnosis(
            "share that the decoder had to stop", told.count(False) / len(told), result["cut"].reference, len(told)
        )
    if training_reports is not None:
        known = {plain_tokens(t) for t in training_reports}
        add("copied", "share that stand word for word in the training split", lambda ts: _share(ts, known.__contains__))
    alone = [i for i, row in enumerate(outputs) if not row.prior]
    if alone:
        result["comparisons"] = Diagnosis(
            "share that compare with an earlier study although none was given",
            _share([ours[i] for i in alone], compares),
            _share([theirs[i] for i in alone], compares),
            len(alone),
        )
    if contradictions is not None:
        add("contradictions", "share that contradict themselves about a side",
            lambda texts: _share(texts, lambda t: contradictions(t) > 0), plain=False)  # fmt: skip
    return result


def warnings(found: dict[str, Diagnosis]) -> tuple[str, ...]:
    """What a reader has to know before believing the scores, a sentence each; nothing where nothing is wrong."""
    rules: list[tuple[str, Callable[[Diagnosis, float], bool], str]] = [
        ("most_common", lambda d, ref: d.n > 1 and d.value > 0.5 and d.value > 2 * ref,
         "{value:.1%} of the outputs are one and the same report: this system hardly looks at the films."),
        ("distinct", lambda d, ref: d.n >= 20 and d.value < 0.25 * ref,
         "Only {value:.1%} of the outputs are distinct (references: {reference:.1%})."),
        ("copied", lambda d, ref: d.value > 0.9 and d.value > ref + 0.2,
         "{value:.0%} of the outputs are training reports word for word (references: {reference:.0%}): "
         "this system retrieves."),
        ("looping", lambda d, ref: d.value > 0.02 and d.value > 2 * ref,
         "{value:.0%} of the outputs repeat themselves (references: {reference:.0%}): look at the decoding."),
        ("empty", lambda d, ref: d.value > 0 and d.value > ref, "{value:.1%} of the outputs are empty."),
        ("cut", lambda d, ref: d.value > 0.05 and d.value > 2 * ref,
         "{value:.0%} of the outputs were stopped before their end: raise the token limit."),
        ("words", lambda d, ref: not 0.5 <= d.value / max(ref, 1e-9) <= 2,
         "The outputs have {value:.0f} tokens on average, the references {reference:.0f}."),
        ("comparisons", lambda d, ref: d.value > 0.02,
         "{value:.0%} of the outputs compare with an earlier study that the model was not given."),
        ("contradictions", lambda d, ref: d.value > 0.02 and d.value > 2 * ref,
         "{value:.0%} of the outputs contradict themselves about a side (references: {reference:.0%})."),
    ]  # fmt: skip
    said = []
    for name, applies, sentence in rules:
        d = found.get(name)
        if d is not None and applies(d, d.reference or 0.0):
            said.append(sentence.format(value=d.value, reference=d.reference or 0.0))
    return tuple(said)


def loops(text: str) -> bool:
    """Whether a sentence of three or more words stands twice, or a phrase of 1 to 8 tokens three times running."""
    sentences = Counter(s.strip() for s in _SENTENCE_END.split(text) if len(s.split()) >= 3)
    if any(count > 1 for count in sentences.values()):
        return True
    tokens = text.split()
    for width in range(1, 9):
        run = 0
        for i in range(width, len(tokens)):
            run = run + 1 if tokens[i] == tokens[i - width] else 0
            if run >= 2 * width:
                return True
    return False


def compares(text: str) -> bool:
    """Whether a report speaks of an earlier study."""
    return _COMPARISON.search(text) is not None


def _most_common(texts: Sequence[str]) -> float:
    return Counter(texts).most_common(1)[0][1] / len(texts)


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, texts)) / len(texts)
