"""Intervals that cover, tests that find differences and do not invent them."""

import numpy as np
import pytest

from mrg_llm.errors import InputError
from mrg_llm.scoring.nlg import language_tallies
from mrg_llm.scoring.statistics import Tally, compare, holm, intervals, means


def normal(n: int, mean: float, seed: int) -> Tally:
    return means({"x": np.random.default_rng(seed).normal(mean, 1, n)})


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    tally = normal(400, 0, 1)
    found = intervals([tally], draws=4000)["x"]
    assert found.high - found.low == pytest.approx(2 * 1.96 * tally.stats_NS[:, 0].std() / 20, rel=0.05)
    assert found.low < found.value < found.high


def test_the_interval_covers_as_often_as_it_says() -> None:
    covered = sum(i.low <= 0 <= i.high for i in (intervals([normal(60, 0, s)], 300)["x"] for s in range(200)))
    assert 180 <= covered <= 198


def test_the_same_seed_gives_the_same_interval() -> None:
    tally = [normal(50, 0, 3)]
    assert intervals(tally, seed=7) == intervals(tally, seed=7)
    assert intervals(tally, seed=7) != intervals(tally, seed=8)
    value = intervals(tally, draws=0)["x"]
    assert value.low == value.value == value.high


def test_a_resampled_bleu_is_the_bleu_of_the_resampled_studies() -> None:
    predictions, references = ["a b c d e", "d e f g", "a a a a"], ["a b c d", "d e g f", "a b a b"]
    tally = language_tallies(predictions, references)[0]
    weights = np.array([[2.0, 0.0, 1.0]])
    again = language_tallies([predictions[i] for i in (0, 0, 2)], [references[i] for i in (0, 0, 2)])[0]
    resampled = tally.formula(weights @ tally.stats_NS)
    assert {name: float(v[0]) for name, v in resampled.items()} == pytest.approx(again.values(), abs=1e-12)


def test_a_paired_test_finds_a_small_difference_that_intervals_do_not() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 200)
    ours, theirs = means({"x": noise + 0.1}), means({"x": noise + np.random.default_rng(1).normal(0, 0.1, 200)})
    a, b = intervals([ours])["x"], intervals([theirs])["x"]
    assert a.low < b.high
    difference = compare([ours], [theirs])["x"]
    assert difference.low > 0
    assert difference.p < 0.01
    assert compare([theirs], [ours])["x"].value == pytest.approx(-difference.value)


def test_a_system_does_not_differ_from_itself() -> None:
    tally = [normal(30, 0, 1)]
    assert compare(tally, tally)["x"].p == 1


def test_chance_is_called_difference_as_often_as_it_may_be() -> None:
    p = [compare([normal(40, 0, s)], [normal(40, 0, s + 1000)], draws=200)["x"].p for s in range(150)]
    assert sum(x < 0.05 for x in p) <= 17  # 5 % of 150, and two standard deviations and more


def test_holm() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_unequal_studies_are_refused() -> None:
    with pytest.raises(InputError, match="same studies"):
        compare([normal(3, 0, 0)], [normal(4, 0, 0)])
