"""Which token of a written report belongs to which of its sentences, and which to a de-identification mark.

In: a text. Out: its sentences, and a sentence's number for every token of `encode_report`; the tokens of marks.
"""

from __future__ import annotations

from mrg_llm.model.alignment import split_sentences
from mrg_llm.studies.texts import MARK

END = -1  # the number of the end mark


def marked_tokens(tokenizer, text: str) -> list[int]:
    """The tokens of `encode_report` that a de-identification mark is made of."""
    text = " ".join(text.split())
    marks = [match.span() for match in MARK.finditer(text)]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    return [i for i, (a, b) in enumerate(offsets) if any(a < end and start < b for start, end in marks)]


def sentence_tokens(tokenizer, text: str) -> tuple[list[str], list[int]]:
    """The sentences of a text, and for every token of `encode_report`, end mark included, the number of its sentence.

    The end mark belongs to none: END. So does what stands between sentences without a letter or digit.
    """
    text = " ".join(text.split())
    sentences, ends, place = split_sentences(text), [], 0
    for sentence in sentences:
        start = text.index(sentence, place)
        place = start + len(sentence)
        ends.append((start, place))
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    # By its last character: a token begins with the space before its word.
    numbers = [next((i for i, (a, b) in enumerate(ends) if a <= end - 1 < b), END) for _, end in offsets]
    return sentences, [*numbers, END]
