"""What a training costs stands in its journal, over all the times it was taken up."""

import json

import pytest

from mrg_llm.errors import StoppedError
from mrg_llm.training import loop
from mrg_llm.training.loop import train
from mrg_llm.training.spent import Meter, Spent, spent_in


def lines(run):
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def test_a_run_that_was_stopped_adds_up_its_parts(tiny_settings, tiny_studies, tmp_path, monkeypatch):
    asked = iter([False] * 4 + [True])
    with monkeypatch.context() as patch:
        patch.setattr(loop, "asked_to_stop", lambda run: next(asked))
        with pytest.raises(StoppedError):
            train(tiny_settings, tiny_studies, tmp_path / "run")
    first = spent_in(tmp_path / "run" / "journal.jsonl")
    run = train(tiny_settings, tiny_studies, tmp_path / "run", resume=True)
    whole, last = spent_in(run / "journal.jsonl"), [e for e in lines(run) if e.get("event") == "spent"][-1]
    assert lines(run)[-1]["event"] == "end"
    assert first.process_s > 0 and first.memory_bytes > 50e6
    assert whole.process_s == pytest.approx(first.process_s + last["process_s"])
    assert whole.wall_s == pytest.approx(first.wall_s + last["wall_s"])


def test_parts_add_up_and_the_peak_is_the_largest():
    assert Spent(1, 2, 3) + Spent(10, 20, 2) == Spent(11, 22, 3)


def test_a_second_run_in_one_process_measures_its_own_peak():
    from pathlib import Path

    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux forgets a peak")
    held = bytearray(300_000_000)
    held[::4096] = b"1" * len(held[::4096])
    with_it = Meter("cpu").entry()["memory_bytes"]
    del held
    assert Meter("cpu").entry()["memory_bytes"] < with_it - 200e6
