"""A recipe cut to the time there is, and kept when the demo is taken up again."""

import json

import pytest
from rich.console import Console

from mrg_llm.demo import budget
from mrg_llm.demo.budget import FORWARD_SHARE, LONGER, OTHER_S, OTHER_STEPS, Estimate, Work, fitted, scaled
from mrg_llm.training.preparation import Sharing

QUIET = Console(quiet=True)


def fit(out, settings, studies, minutes, spent_s=0.0):
    """Two variants, and nine reports in batches of four."""
    return fitted(out, Work(settings, studies, 2, 9), minutes, lambda: spent_s, Sharing(), QUIET)


def test_no_limit_trains_the_whole_recipe_without_measuring(tiny_settings, tiny_studies, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "measured", lambda *_: pytest.fail("measured"))
    settings, found = fit(tmp_path, tiny_settings, tiny_studies, minutes=0)
    assert settings == tiny_settings and found.share == 1


def test_the_share_fills_the_time_and_is_kept(tiny_settings, tiny_studies, tmp_path, monkeypatch):
    """8 training studies in batches of 4: 2 steps of each alignment stage, 4 of stage 3, which is trained twice; one
    batch of validation, twice in each of the two."""
    step_s = {"align_global": 10.0, "align_local": 20.0, "generate": 30.0}
    work = Work(tiny_settings, tiny_studies, 2, 9)
    prepared, own_s, writing_s = budget.measured(work, Sharing(), QUIET)
    assert own_s.keys() == step_s.keys() and min(*own_s.values(), writing_s) > 0
    estimate = Estimate(prepared, step_s, 50)
    beside = LONGER * 3 * 50 + OTHER_S + OTHER_STEPS * 30 + 4 * 2 * FORWARD_SHARE * 30
    training = 2 * 10 + 2 * 20 + 2 * 4 * 30
    once = beside - 2 * 2 * FORWARD_SHARE * 30  # half an epoch of stage 3 is validated once
    assert estimate.share(work, once + training / 4) == pytest.approx(1 / 4)
    assert estimate.share(work, beside + 9 * training) == 1
    assert estimate.share(work, 0) == budget.SMALLEST
    monkeypatch.setattr(budget, "measured", lambda *_: (prepared, step_s, 50.0))
    fewer = once - LONGER * 2 * 50  # four reports instead of nine: one batch of three
    first, found = fit(tmp_path, tiny_settings, tiny_studies, (fewer + training / 2 + 7) / 60, spent_s=7)
    assert found.share == pytest.approx(1 / 2) and first.generate.epochs == pytest.approx(1) and found.hurried
    assert found.whole_minutes == pytest.approx((7 + beside + training) / 60, abs=0.06)
    monkeypatch.setattr(budget, "measured", lambda *_: pytest.fail("measured again"))
    assert fit(tmp_path, tiny_settings, tiny_studies, minutes=500) == (first, found)
    assert json.loads((tmp_path / budget.FILE).read_text())["step_s"] == step_s


def test_stages_that_are_left_out_stay_left_out(tiny_settings):
    without = tiny_settings.model_copy(
        update={"align_local": tiny_settings.align_local.model_copy(update={"epochs": 0.0})}
    )
    assert scaled(without, 0.5).align_local.epochs == 0
    assert scaled(without, 0.5).generate.epochs == 1


def test_runs_share_what_was_prepared_and_train_the_same(tiny_settings, tiny_studies, tmp_path):
    from mrg_llm.training.loop import train
    from tests.training.test_loop import losses

    sharing = Sharing()
    prepared, *_ = budget.measured(Work(tiny_settings, tiny_studies, 1, 1), sharing, QUIET)
    shared = train(tiny_settings, tiny_studies, tmp_path / "shared", sharing=sharing)
    assert list(sharing.made.values()) == [prepared], "prepared a second time"
    assert losses(shared) == losses(train(tiny_settings, tiny_studies, tmp_path / "alone"))
    other = tiny_settings.model_copy(update={"data": tiny_settings.data.model_copy(update={"max_report_tokens": 9})})
    train(other, tiny_studies, tmp_path / "other", sharing=sharing)
    assert list(sharing.made.values()) != [prepared], "lent what was made with other settings"
