"""A tidy draft: every sentence once, and none that was cut off."""

import pytest
import torch

from mrg_llm.model.alignment import split_sentences
from mrg_llm.model.decoding import Drafting, tidied, write_reports
from mrg_llm.settings import DecodeSettings
from tests.model.test_modeling import films


@pytest.mark.parametrize(
    ("text", "ended", "expected"),
    [
        (
            "There is no effusion. The heart is normal. There is no effusion.",
            True,
            "There is no effusion. The heart is normal.",
        ),
        ("No Acute Effusion. no acute effusion! Clear lungs.", True, "No Acute Effusion. Clear lungs."),
        (
            "There is edema. There is edema. Impression: Stable. There is edema.",
            True,
            "There is edema. Impression: Stable. There is edema.",
        ),
        (
            "Heart stable vs. prior. Lungs unchanged vs. prior. Clear.",
            True,
            "Heart stable vs. prior. Lungs unchanged vs. prior. Clear.",
        ),
        ("1. No effusion. 2. No effusion. 3. Clear", True, "1. No effusion. 2. No effusion. 3. Clear"),
        ("The lungs are clear. No effusion. (", False, "The lungs are clear. No effusion."),
        ("The lungs are clear. A nodule of 1.", False, "The lungs are clear."),
        ("双肺清晰。心影正常。", True, "双肺清晰。心影正常。"),
        ("Лёгкие без очагов. Сердце в норме. Лёгкие без очагов.", True, "Лёгкие без очагов. Сердце в норме."),
        ("A nodule of 1.5 cm. A nodule of 1.5 cm. There is blunt", False, "A nodule of 1.5 cm."),
        ("Clear lungs. No effusion.", False, "Clear lungs. No effusion."),
        ("There is blunt", False, "There is blunt"),
        ("There is mild mild mild mild edema. Left left base.", True, "There is mild edema. Left left base."),
        ("The lungs are clear. The lungs", True, "The lungs are clear. The lungs"),
        ("", True, ""),
    ],
)
def test_sentences_are_said_once_and_whole(text, ended, expected):
    assert tidied(text, ended) == expected
    assert tidied(expected, True) == expected


def test_what_is_heard_while_it_grows_is_what_is_written(tiny_model):
    tokenizer = tiny_model.language.tokenizer
    text = (
        "The lungs are clear. There is no effusion. The lungs are clear. The heart is normal. The lungs are clear. The"
    )
    ids, drafted = tokenizer(text, add_special_tokens=False).input_ids, Drafting(tokenizer, True)
    whole, heard = drafted(ids), []
    for n in range(1, len(ids) + 1):
        said = split_sentences(drafted(ids[:n], growing=True).text)
        heard += said[len(heard) : -1]  # a last one may still grow (serving/sse.py)
    assert whole.text == "The lungs are clear. There is no effusion. The heart is normal."
    assert not whole.ended and whole.tokens == len(ids)
    assert heard == split_sentences(whole.text)
    assert drafted([*ids, tokenizer.eos_token_id]).text.endswith("normal. The")


@pytest.mark.parametrize("search", [{}, {"beams": 2}, {"samples": 3}])
def test_every_search_is_tidy_when_asked(tiny_model, search):
    with torch.inference_mode():
        seen = tiny_model.see(*films(B=3))
        plain, tidy = (
            write_reports(tiny_model, seen, DecodeSettings(max_new_tokens=30, tidy=tidy, **search))
            for tidy in (False, True)
        )
    if "samples" not in search:  # which sample the others agree with is judged as they are shown
        assert [d.text for d in tidy] == [tidied(d.text, d.ended) for d in plain]
    assert all(d.text == tidied(d.text, True) for d in tidy)
