"""Which token of a written report belongs to which of its sentences.

In: a text. Out: its sentences, and a sentence's number for every token of `encode_report`.
"""

from __future__ import annotations

from mrg_llm.model.alignment import split_sentences

END = -1  # the number of the end mark


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
