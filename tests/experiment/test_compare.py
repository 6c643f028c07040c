"""Stored figures: what agrees, what differs, and what cannot be compared."""

import copy

import pytest
from rich.console import Console

from mrg_llm.errors import InputError
from mrg_llm.experiment.compare import SLACK, differing, read_results

STORED = {
    "experiment": "claim", "data": {"kind": "iu-xray", "train": 9, "val": 5, "test": 3,
             "reports_sha256": {"train": "a", "val": "b", "test": "c"}},
    "trained": {"none": {"settings": {"arm": {"train": {"lr": 1e-3}}, "alignment": None},
                         "parameters": {"vision": 10, "projection": 2}}},
    "val": {"n": 5, "arms": {"none": {"figures": {"nats": {"loss": {"value": 1.5, "low": 1.4, "high": 1.6}}}}},
            "baselines": {"nearest": {"figures": {"full": {"bleu4": {"value": 0.1, "low": 0.1, "high": 0.1}}}}}},
}  # fmt: skip


@pytest.fixture
def compared():
    """(change of the stored content) -> what differs."""

    def differ(change):
        ours = copy.deepcopy(STORED)
        change(ours)
        return [str(figure) for figure in differing(ours, STORED, "stored.json", Console(quiet=True))]

    return differ


def loss(value: float):
    return lambda ours: ours["val"]["arms"]["none"]["figures"]["nats"]["loss"].update(value=value)


def reports(**hashes: str):
    return lambda ours: ours["data"]["reports_sha256"].update(hashes)


def setting(part: str, value):
    return lambda ours: ours["trained"]["none"]["settings"].update({part: value})


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        (lambda ours: None, []),
        (loss(1.6 + 0.9 * SLACK), []),
        (loss(1.6 + 1.1 * SLACK), ["val: none: nats: loss is 1.6055 now; stored: 1.5000 (1.4000 to 1.6000)"]),
        (loss(1.39), ["val: none: nats: loss is 1.3900 now; stored: 1.5000 (1.4000 to 1.6000)"]),
        (lambda ours: ours["val"].update(arms={}), ["val: none: nats: loss was not measured"]),
        (lambda ours: ours["val"].update(n=6), ["val: studies is 6"]),
        (
            lambda ours: ours["trained"]["none"]["parameters"].update(vision=11),
            ["none: trained parameters, vision is 11"],
        ),
        (
            lambda ours: ours["trained"]["none"]["parameters"].update(vision=2, projection=10),
            ["none: trained parameters, vision is 2", "none: trained parameters, projection is 10"],
        ),
        (lambda ours: ours["val"].update(baselines={}), ["val: nearest: full: bleu4 was not measured"]),
    ],
)
def test_every_figure_is_compared_within_the_stored_interval(compared, change, differ):
    found = compared(change)
    assert len(found) == len(differ) and all(f.startswith(d) for f, d in zip(found, differ, strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ours: ours.update(experiment="other"), "is of the experiment claim, not other"),
        (reports(train="other"), "its 9 training studies are others than the 9 here, or their reports are"),
        (reports(val="other"), "its 5 validation studies are others"),
        (setting("arm", {"train": {"lr": 2e-3}}), r"none was trained with another train\.lr there"),
        (setting("arm", {"train": {}}), r"another train\.lr"),
        (setting("arm", {"train": {"lr": 1e-3, "clip": 2.0}}), r"another train\.clip"),
        (setting("arm", {"train": {"lr": 1e-3, "gone": 1}}), r"another train\.gone"),
        (setting("alignment", {"train": {"lr": 1e-3}}), r"another train\.lr of the alignment"),
    ],
)
def test_what_is_another_experiment_is_not_compared(compared, change, words):
    with pytest.raises(InputError, match=words):
        compared(change)


@pytest.mark.parametrize(
    "same", [{"train": {"lr": 1e-3, "clip": 1.0}}, {"train": {"lr": 1e-3}, "generate": {"blind": 0.0}}]
)
def test_a_setting_of_a_newer_version_at_its_default_is_the_same(compared, same):
    assert compared(setting("arm", same)) == []


def test_test_figures_of_other_studies_are_not_compared(compared, capsys):
    """Whoever has all of R2Gen's test split can compare what was learned and chosen all the same."""
    tested = copy.deepcopy(STORED) | {"test": copy.deepcopy(STORED["val"])}
    ours = copy.deepcopy(STORED)
    assert len(differing(ours, tested, "stored.json", Console())) == 3, "they were not measured"
    reports(test="other")(ours)
    assert differing(ours, tested, "stored.json", Console()) == []
    assert "test figures are not compared: those of stored.json are of 3 others" in capsys.readouterr().out


def test_a_file_that_is_no_experiment(tmp_path):
    path = tmp_path / "other.json"
    path.write_text("[1]")
    with pytest.raises(InputError, match=r"is not the figures of an experiment"):
        read_results(path)
