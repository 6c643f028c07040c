"""Sick systems get their diagnosis, and people's own reports get none."""

import pytest

from mrg_llm.scoring.diagnostics import compares, diagnose, loops, warnings
from mrg_llm.scoring.outputs import Output, outputs

REFERENCES = [f"The heart is normal in case {i}. The lungs are clear. No effusion {i}." for i in range(40)]


def said(predictions, training=None, **more) -> str:
    rows = [Output(f"{i}", p, r, **more) for i, (p, r) in enumerate(zip(predictions, REFERENCES, strict=True))]
    return " ".join(warnings(diagnose(outputs("test", rows), training, lambda text: text.count("left right"))))


def test_people_are_healthy() -> None:
    assert said(REFERENCES, training=["another report."]) == ""


@pytest.mark.parametrize(
    ("predictions", "diagnosis"),
    [
        (["The lungs are clear. No effusion is seen today."] * 40, "100.0% of the outputs are one and the same"),
        ([f"Report {i % 8}. The lungs are clear today." for i in range(40)], "Only 20.0% of the outputs are distinct"),
        (["", *REFERENCES[1:]], "2.5% of the outputs are empty"),
        ([f"{r} No effusion at all. No effusion at all." for r in REFERENCES], "100% of the outputs repeat themselves"),
        ([r[:-1] for r in REFERENCES], "100% of the outputs were stopped before their end"),
        ([f"Clear {i}." for i in range(40)], "have 3 tokens on average, the references 17"),
        ([f"{r} Unchanged from the prior study." for r in REFERENCES], "100% of the outputs compare with an earlier"),
        ([f"{r} A left right effusion." for r in REFERENCES], "100% of the outputs contradict themselves"),
    ],
)
def test_each_sickness(predictions, diagnosis) -> None:
    assert diagnosis in said(predictions)


def test_copying_is_seen_through_spelling() -> None:
    assert "100% of the outputs are training reports word for word" not in said(
        REFERENCES, [t.upper() for t in REFERENCES]
    )
    copies = [f"Other words {i}, quite as many of them as there are in the references. And so on." for i in range(40)]
    assert "100% of the outputs are training reports word for word" in said(copies, [t.upper() for t in copies])


def test_comparisons_are_fair_where_a_prior_was_given() -> None:
    predictions = [f"{r} Unchanged from the prior study." for r in REFERENCES]
    assert "earlier study" not in said(predictions, prior=True)


def test_the_decoder_knows_best_what_was_cut() -> None:
    assert "stopped before their end" in said(REFERENCES, ended=False)
    assert "stopped before their end" not in said([r[:-1] for r in REFERENCES], ended=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clear clear clear", True),
        ("clear clear", False),
        ("no a no a no a", True),
        ("the lungs are clear . heart normal . the lungs are clear .", True),
        ("lungs clear . heart normal . lungs clear .", False),
        ("a b c d e f g h " * 3, True),
        ("", False),
    ],
)
def test_loops(text, expected) -> None:
    assert loops(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the nodule is unchanged", True),
        ("compared to the last film", True),
        ("no interval change", True),
        ("as on the prior chest x-ray", True),
        ("again seen is a nodule", True),
        ("prior granulomatous disease", False),
        ("the lungs are clear", False),
    ],
)
def test_compares(text, expected) -> None:
    assert compares(text) is expected
