"""Precision, recall and F1 over label matrices, in every convention, against a slow count by hand."""

import numpy as np
import pytest

from mrg_llm.errors import InputError
from mrg_llm.scoring.agreement import FIVE, NOT_MENTIONED, UNCERTAIN_AS, agreement, codes
from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.scoring.statistics import intervals


def random_codes(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([1, 0, -1, 2], (n, 14), p=[0.3, 0.2, 0.1, 0.4]).astype(np.int8)


def f1(tp: int, fp: int, fn: int) -> float:
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0


def by_hand(predicted, reference, convention: str, observations) -> dict[str, float]:
    columns = [OBSERVATIONS.index(name) for name in observations]
    cells = {}
    for i in range(len(predicted)):
        for c in columns:
            p, r = int(predicted[i, c]), int(reference[i, c])
            if convention == "ignored" and -1 in (p, r):
                continue
            yes = (1, -1) if convention == "present" else (1,)
            cells[i, c] = (p in yes, r in yes)

    def count(wanted) -> tuple[int, int, int]:
        chosen = [pair for key, pair in cells.items() if wanted(key)]
        return (chosen.count((True, True)), chosen.count((True, False)), chosen.count((False, True)))

    return {
        "micro": f1(*count(lambda key: True)),
        "macro": float(np.mean([f1(*count(lambda key, c=c: key[1] == c)) for c in columns])),
        "example": float(np.mean([f1(*count(lambda key, i=i: key[0] == i)) for i in range(len(predicted))])),
    }


@pytest.mark.parametrize("convention", UNCERTAIN_AS)
@pytest.mark.parametrize(("size", "observations"), [("14", OBSERVATIONS), ("13", OBSERVATIONS[1:]), ("5", FIVE)])
def test_every_average_is_what_a_count_by_hand_gives(convention, size, observations) -> None:
    predicted, reference = random_codes(40, 1), random_codes(40, 2)
    values = agreement(predicted, reference).values()
    for average, expected in by_hand(predicted, reference, convention, observations).items():
        assert values[f"{convention}/{size}/{average}/f1"] == pytest.approx(expected, abs=1e-12), average


def test_the_conventions_differ_where_they_should() -> None:
    predicted, reference = np.full((1, 14), NOT_MENTIONED), np.full((1, 14), NOT_MENTIONED)
    edema = OBSERVATIONS.index("Edema")
    predicted[0, edema], reference[0, edema] = 1, -1
    values = agreement(predicted, reference).values()
    assert values["absent/observation/Edema/precision"] == 0
    assert values["present/observation/Edema/f1"] == 1
    assert values["ignored/14/micro/f1"] == 0


def test_a_report_that_finds_nothing_is_worth_nothing_by_the_thirteen() -> None:
    normal, there = np.full((10, 14), NOT_MENTIONED), np.full((10, 14), NOT_MENTIONED)
    normal[:, 0] = 1
    there[:8, 0] = there[8:, OBSERVATIONS.index("Edema")] = 1
    values = agreement(normal, there).values()
    assert values["absent/14/micro/f1"] == 0.8 and values["absent/13/micro/f1"] == 0


def test_absent_and_not_mentioned_count_alike() -> None:
    matrix = random_codes(20, 3)
    unsaid = np.where(matrix == 0, NOT_MENTIONED, matrix)
    other = random_codes(20, 4)
    assert agreement(matrix, other).values() == agreement(unsaid, other).values()


def test_equal_labels_are_perfect_and_order_does_not_matter() -> None:
    matrix, other = random_codes(60, 5), random_codes(60, 6)
    assert agreement(matrix, matrix).values()["absent/14/micro/f1"] == 1
    order = np.random.default_rng(0).permutation(60)
    assert agreement(matrix[order], other[order]).values() == pytest.approx(agreement(matrix, other).values())


def test_intervals_hold_the_value() -> None:
    found = intervals([agreement(random_codes(80, 7), random_codes(80, 8))], draws=200)["absent/14/micro/f1"]
    assert found.low < found.value < found.high


def test_codes_of_labels() -> None:
    labels = np.full((1, 14), np.nan, dtype=np.float32)
    labels[0, :3] = (1, 0, -1)
    assert codes(labels)[0, :4].tolist() == [1, 0, -1, 2]


def test_wrong_matrices_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(N, 14\)"):
        agreement(np.zeros((2, 5)), np.zeros((2, 5)))
    with pytest.raises(InputError, match="2 not mentioned"):
        agreement(np.full((1, 14), 3), np.zeros((1, 14)))
