"""Systems that see no film."""

import pytest

from mrg_llm.errors import InputError
from mrg_llm.scoring.baselines import constant_baseline, constant_candidates, nearest_baseline, random_baseline

REPORTS = ["clear"] * 5 + ["normal"] * 3 + [f"report {i}" for i in range(300)] + ["", " "]


def test_candidates_are_the_frequent_and_some_others() -> None:
    candidates = constant_candidates(REPORTS)
    assert candidates[:2] == ("clear", "normal")
    assert len(candidates) == len(set(candidates)) == 200
    assert constant_candidates(REPORTS[::-1]) == candidates
    assert constant_candidates(REPORTS, seed=1) != candidates


def test_the_constant_is_the_best_of_them() -> None:
    baseline = constant_baseline(["a", "b"], REPORTS, lambda text: float(text == "normal"), "a test")
    assert baseline.predictions == ("normal", "normal")
    assert "a test" in baseline.what
    assert constant_baseline(["a"], REPORTS, lambda text: 0.0, "a tie").predictions == ("clear",)


def test_random_reports_depend_on_seed_and_id_alone() -> None:
    ids = [f"s{i}" for i in range(50)]
    drawn = random_baseline(ids, REPORTS)
    assert random_baseline(ids[::-1], REPORTS[::-1]).predictions == drawn.predictions[::-1]
    assert random_baseline(ids, REPORTS, seed=1).predictions != drawn.predictions
    assert len(set(drawn.predictions)) > 30


def test_nearest_by_mapping_and_by_function() -> None:
    training = {"t1": "one", "t2": "two"}
    assert nearest_baseline(["a", "b"], training, {"a": "t2", "b": "t1"}).predictions == ("two", "one")
    assert nearest_baseline(["a"], training, lambda i: "t1").predictions == ("one",)
    for wrong in ({}, {"a": "elsewhere"}):
        with pytest.raises(InputError, match="nearest training study of a"):
            nearest_baseline(["a"], training, wrong)


def test_no_training_reports_is_said() -> None:
    for call in (lambda: constant_candidates(["", " "]), lambda: random_baseline(["a"], [])):
        with pytest.raises(InputError, match="no report"):
            call()
