"""The literature's cleaning, with the side effects that its published numbers were made with."""

import pytest

from mrg_llm.studies.cleaning import R2GEN_IU, R2GEN_MIMIC, R2GENGPT_MIMIC


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("The heart is normal. Lungs are clear.", "the heart is normal . lungs are clear ."),
        ("no final period", "no final period ."),
        ("t11. compression", "t1compression ."),  # "1. " is deleted anywhere, inside words too
        ("c1. the", "cthe ."),
        ("3.5 cm nodule", "35 cm nodule ."),
        ("at 3:15", "at 315 ."),  # the range from ':' to '['
        ("a<b=c>d@e", "abcde ."),
        ("lungs/pleura", "lungspleura ."),
        ("well-defined", "well-defined ."),  # the range leaves the hyphen
        ("(left) [right] {both}", "left right both ."),
        ("a. . b.", "a .  . b ."),  # the empty sentence stays
        ("", " ."),
        ("XXXX effusion", "xxxx effusion ."),
        ("dr. smith was told", "dr . smith was told ."),
        ("clear. 2. heart normal", "clear . heart normal ."),
        ("1. clear 2. heart normal", "clear . heart normal ."),
        ("a....b", "ab ."),  # three passes, then the class eats what is left
        ("the \"left' lung\\apex", "the left lungapex ."),
        ("two  spaces", "two  spaces ."),  # nothing for white space in the IU rules
    ],
)
def test_iu(raw: str, cleaned: str) -> None:
    assert R2GEN_IU(raw) == cleaned


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("wrapped\n  line", "wrapped line ."),
        ("seen by ___ on ________", "seen by  on  ."),
        ("a" + " " * 64 + "b", "a b ."),
        ("a" + " " * 65 + "b", "a  b ."),  # six passes are too few
        ("at 3:15", "at 315 ."),
    ],
)
def test_mimic(raw: str, cleaned: str) -> None:
    assert R2GEN_MIMIC(raw) == cleaned


def test_r2gengpt_has_no_range_for_mimic() -> None:
    assert R2GENGPT_MIMIC("FINDINGS: a<b; c@d") == "findings : a<b c@d ."


def test_an_unknown_word_survives_only_where_it_is_kept() -> None:
    assert R2GEN_IU("the <unk> is seen .") == "the unk is seen  ."
    assert R2GEN_IU.keeping_unknown("the <unk> is seen .") == "the <unk> is seen  ."


def test_why_is_always_said() -> None:
    for cleaner in (R2GEN_IU, R2GEN_MIMIC, R2GENGPT_MIMIC):
        assert all(rule.why for rule in (*cleaner.report, *cleaner.sentence, cleaner.last))
