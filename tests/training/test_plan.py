"""mrg train --dry-run: what is counted is what training then does; seconds are of a clock that the test turns."""

import pytest

from mrg_llm.settings import Settings
from mrg_llm.training import calibration, plan
from mrg_llm.training.calibration import StepCost, batch_positions, fitted_cost, mean_step_s, of_all_lengths
from mrg_llm.training.data import SplitData
from mrg_llm.training.plan import make_plan, pooled


def test_a_line_through_what_was_measured():
    assert fitted_cost([100, 200, 300], [3.0, 5.0, 7.0]) == StepCost(pytest.approx(1), pytest.approx(0.02))
    assert fitted_cost([100], [3.0]) == StepCost(3.0, 0.0)
    level = fitted_cost([100, 200], [3.0, 2.0])  # more does not take less
    assert level == StepCost(2.5, 0.0) and level.of(10) == 2.5
    origin = fitted_cost([100, 200], [1.0, 5.0])  # nothing does not take less than nothing
    assert origin.of(0) == pytest.approx(0) and origin.of(150) == pytest.approx(3)


@pytest.fixture
def data(tiny_model, tiny_settings, tiny_studies):
    return SplitData(tiny_studies.split("train"), tiny_model.language.tokenizer, tiny_settings, augmented=True)


def test_positions_are_those_that_the_llm_is_given(tiny_model, data):
    """Counted from lengths; what training assembles is the truth."""
    from mrg_llm.training.data import on_device

    for indices in ([0, 1, 2], [3], [4, 6]):
        batch = on_device(data.make(0, indices), "cpu")
        inputs = tiny_model.llm_input(batch.look(tiny_model), batch.report_ids, batch.report_mask, batch.context)
        assert batch_positions(tiny_model, data, indices) == inputs.embeddings.shape[0] * inputs.embeddings.shape[1]


def test_batches_of_all_lengths_begin_with_the_longest(data):
    groups = of_all_lengths(data, 2)
    longest = [max(data.lengths[i] for i in group) for group in groups]
    assert len(groups) == 3 and longest == sorted(longest, reverse=True) and longest[0] == max(data.lengths)
    assert all(len(group) == 2 for group in groups)
    assert of_all_lengths(data, 3, alike=False) == [[0, 1, 2], [3, 4, 5]]
    assert of_all_lengths(data, 100) == [sorted(range(len(data)), key=lambda i: -data.lengths[i])]


@pytest.mark.parametrize(("stage", "alike"), [("generate", True), ("align_local", False)])
def test_the_mean_step_is_over_the_batches_that_training_sees(tiny_model, data, stage, alike):
    cost = StepCost(1.0, 0.1)
    batches = data.batches(3, 0, 3, alike=alike)
    seen = [cost.of(batch_positions(tiny_model, data, batch.indices)) for batch in batches]
    assert mean_step_s(cost, stage, tiny_model, data, 3) == pytest.approx(sum(seen) / 3)


def test_the_pool_holds_a_batch_of_the_longest_reports(tiny_settings, data, monkeypatch):
    monkeypatch.setattr(plan, "POOL", 2)
    found = pooled(tiny_settings, data)
    assert len(found) == len({s.id for s in found}) == 8  # a batch of four, and as many of the longest
    by_length = sorted(data.studies, key=lambda s: data.lengths[data.studies.index(s)])
    assert {s.id for s in found[-4:]} == {s.id for s in by_length[-4:]}


def test_the_plan_of_a_run_counts_its_steps_and_writes_nothing(tiny_values, tiny_studies, tmp_path, monkeypatch):
    """Seconds of the steps are replaced by a line; what is counted with it must be what training does."""
    import json

    from mrg_llm.training.loop import train

    tiny_values["model"]["vision"]["trained_layers"] = 1
    tiny_values["generate"] |= {"metric": "bleu4", "validation_studies": 2}
    settings = Settings.model_validate(tiny_values)
    told = []
    monkeypatch.chdir(tmp_path)
    found = make_plan(settings, tiny_studies, told=lambda what, done, total: told.append(what))
    assert list(tmp_path.iterdir()) == []
    assert [stage.name for stage in found.stages] == ["align_global", "align_local", "generate"]
    assert all(stage.step_s > 0 for stage in found.stages) and found.memory.host_bytes > 1e8
    assert found.seconds == pytest.approx(
        sum(found.beside_s.values()) + sum(stage.steps * stage.step_s for stage in found.stages)
    )
    assert {"reading the films", "reading the reports", "looking at every film once", "validation"} <= set(
        found.beside_s
    )
    assert "generate: steps" in told
    run = train(settings, tiny_studies, tmp_path / "run")
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    for stage in found.stages:
        assert sum(line.get("stage") == stage.name and "lr" in line for line in lines) == stage.steps
    assert lines[0]["parameters"] == found.parameters
    disk = sum(path.stat().st_size for path in run.rglob("*.safetensors"))
    assert disk <= found.disk_bytes + 3 * 200_000  # names of parameters and their places in the files


def test_what_grows_with_the_studies_is_counted_for_all(tiny_values, tiny_studies, monkeypatch):
    """A clock that ticks once a film: reading eight of them is measured, reading all is foretold."""
    monkeypatch.setattr(plan, "POOL", 1)
    tiny_values["align_global"]["epochs"] = tiny_values["align_local"]["epochs"] = 0
    tiny_values["generate"] |= {"contrast_weight": 0, "batch": 2}
    ticks = [0.0]
    read = SplitData.read_films

    def reading(self, progress=lambda done: None):
        ticks[0] += sum(len(study.views) for study in self.studies)
        return read(self, progress)

    monkeypatch.setattr(SplitData, "read_films", reading)
    found = make_plan(Settings.model_validate(tiny_values), tiny_studies, clock=lambda: ticks[0])
    films = sum(len(s.views) for split in ("train", "val") for s in tiny_studies.split(split))
    assert found.beside_s["reading the films"] == pytest.approx(films)
    assert "reading the reports" not in found.beside_s and found.stages[0].step_s == 0


def test_slow_machines_measure_one_round(tiny_model, tiny_settings, data, monkeypatch):
    from mrg_llm.training.data import TextBank

    bank = TextBank.build(data.studies, tiny_model.language, None)
    for enough, rounds in ((0.0, 1), (1e9, calibration.ROUNDS)):
        monkeypatch.setattr(calibration, "ENOUGH_S", enough)
        done = []
        clock = iter(range(10**6))
        calibration.measured_steps(
            "generate", tiny_model, tiny_settings, data, bank, lambda clock=clock: float(next(clock)),
            lambda what, number, total, done=done: done.append(number),
        )  # fmt: skip
        assert len(done) - 1 == 1 + rounds * 2  # eight studies: two batches of four; the first step warms up
