"""Means over seeds that have intervals and paired tests, findings by size, and nats."""

import numpy as np
import pytest

from mrg_llm.errors import InputError
from mrg_llm.experiment.figures import differences, figures, nats_tally
from mrg_llm.scoring.findings import findings_tally, score_findings
from mrg_llm.scoring.nlg import language_tallies
from mrg_llm.scoring.statistics import averaged, means
from mrg_llm.studies.study import Finding


def noisy(mean: float, seed: int, n: int = 80):
    shared = np.random.default_rng(0).normal(0, 1, n)  # what a study is, whoever writes its report
    return {"group": [means({"x": shared + np.random.default_rng(seed).normal(mean, 0.3, n)})]}


def test_the_mean_over_seeds_of_a_figure_that_is_no_mean_over_studies():
    references = ["a b c d", "d e g f", "a b a b"]
    runs = [language_tallies(p, references) for p in (["a b c d e", "d e f g", "a a a a"], ["a b c", "d e g f", "b"])]
    both = averaged([run[0] for run in runs]).values()
    assert both == pytest.approx({k: np.mean([run[0].values()[k] for run in runs]) for k in both})
    with pytest.raises(InputError, match="same studies"):
        averaged([means({"x": np.ones(3)}), means({"x": np.ones(4)})])


def test_a_test_pairs_studies_over_all_seeds_and_counts_the_seeds_that_agree():
    ours = {seed: noisy(0.2, seed + 1) for seed in range(3)}
    theirs = {seed: noisy(0.0, seed + 11) for seed in range(4)}
    found = differences(ours, theirs, 400)
    difference = found["group"]["x"]
    assert found["seeds"] == [0, 1, 2] and difference["agree"] == 3 and difference["p_holm"] < 0.02
    own, other = figures(ours, 400)["group"]["x"], figures(theirs, 400)["group"]["x"]
    assert own["low"] < other["high"], "unpaired, the difference would drown"
    assert differences(theirs, ours, 400)["group"]["x"]["value"] == pytest.approx(-difference["value"])
    assert differences({7: noisy(0, 1)}, ours) == {"seeds": []}


def test_arms_that_do_not_differ_seldom_seem_to():
    found = [
        differences(
            {s: noisy(0, 100 * k + s) for s in range(3)}, {s: noisy(0, 100 * k + 50 + s) for s in range(3)}, 200
        )
        for k in range(1, 41)
    ]
    assert sum(t["group"]["x"]["p"] < 0.05 for t in found) <= 6


def test_findings_by_observation_and_by_size():
    small, large = Finding("effusion", "Pleural Effusion", size="small"), Finding("edema", "Edema", size="large")
    truths = [(small,), (small, large), (), (large,)]
    reports = ["There is a pleural effusion.", "Pulmonary edema.", "Pulmonary edema.", "The lungs are clear."]
    names = ["Pleural Effusion", "Edema"]
    values = findings_tally(reports, truths, names).values()
    expected = score_findings(reports, [{f.observation for f in t} for t in truths], names)
    assert values["f1"] == pytest.approx(expected["all"].f1) and values["f1/Edema"] == pytest.approx(
        expected["Edema"].f1
    )
    assert (values["recall/small"], values["recall/large"], values["recall/moderate"]) == (0.5, 0.5, 0)


def test_nats_a_token_weigh_studies_by_their_tokens():
    found = nats_tally(np.array([[10.0, 12.0, 11.0, 10], [60.0, 61.0, 60.0, 20]])).values()
    assert found == pytest.approx({"loss": 70 / 30, "image_worth": 3 / 30, "prompt_worth": 1 / 30})
