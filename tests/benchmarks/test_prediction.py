"""The benchmark of the dry run with tiny models: what it puts side by side."""

import pytest

from mrg_llm.settings import Settings
from tests.conftest import REPOSITORY


@pytest.fixture
def prediction(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return pytest.importorskip("prediction", exc_type=ModuleNotFoundError)


def test_what_was_foretold_stands_beside_what_came(prediction, tiny_values, tiny_studies, capsys):
    tiny_values["align_global"]["epochs"] = 0
    settings = Settings.model_validate(tiny_values)
    told = prediction.foretold(settings, tiny_studies)
    came = prediction.happened(settings, tiny_studies)
    section = prediction.compared(told, came)
    systems = section["systems"]
    assert list(systems) == [
        "align_local, seconds a step", "generate, seconds a step", "whole run, seconds", "peak memory, GB",
    ]  # fmt: skip
    assert len(systems["generate, seconds a step"]["rounds"]) == 3  # between four steps
    for system in systems.values():
        assert system["foretold by came"] == pytest.approx(system["foretold"] / system["came"]) and system["came"] > 0
    assert systems["whole run, seconds"]["came"] > sum(map(sum, came["steps"].values()))
    prediction.show("tiny", section)
    assert "peak memory, GB" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["demo", "static", "two-views"])
def test_every_setting_takes_the_steps_it_is_asked_for(prediction, name):
    from mrg_llm.training.stages import planned, stage_steps

    class Ninety:
        def of_epoch(self, epoch):
            return range(90)

    settings = prediction.chosen(name, steps=20, studies=90)
    for stage in planned(settings):
        assert 19 <= stage_steps(Ninety(), settings, stage) <= 24, stage
