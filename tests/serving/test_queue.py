"""The line, without HTTP."""

import asyncio
import threading

import pytest

from mrg_llm.serving.metrics import Metrics
from mrg_llm.serving.queue import Line
from mrg_llm.serving.refusals import Refusal
from tests.serving.fakes import FakeEngine


def run(work):
    return asyncio.run(asyncio.wait_for(work, 30))


class Picky(FakeEngine):
    """Fails for one study, whatever others are with it."""

    def write(self, batch, told):
        if "bad" in batch:
            raise ValueError
        return list(batch)


def test_a_study_that_fails_costs_no_other():
    async def story():
        async with Line(Picky(), Metrics()) as line:
            return await asyncio.gather(*(line.draft(s) for s in ("a", "bad", "b")), return_exceptions=True)

    first, failed, last = run(story())
    assert (first, last) == ("a", "b") and isinstance(failed, ValueError)


def test_who_gives_up_leaves_the_line():
    held, seen = threading.Event(), []

    class Slow:
        def write(self, batch, told):
            seen.append(list(batch))
            held.wait(10)
            return list(batch)

    async def story():
        async with Line(Slow(), Metrics(), batch=1) as line:
            first = asyncio.create_task(line.draft("first"))
            while not seen:
                await asyncio.sleep(0.01)
            gone, last = asyncio.create_task(line.draft("gone")), asyncio.create_task(line.draft("last"))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            assert line.depth == 1
            held.set()
            return await asyncio.gather(first, last)

    assert run(story()) == ["first", "last"] and seen == [["first"], ["last"]]


def test_places_bytes_and_patience_are_bounded():
    async def story():
        async with Line(FakeEngine(), Metrics(), places=2, most_bytes=100, patience_s=5) as line:
            place, other = line.enter(), line.enter()
            with pytest.raises(Refusal, match="busy"):
                line.enter()
            with pytest.raises(Refusal, match="busy"):
                place.hold(101)
            place.release()
            place.release()
            assert (line.taken, line.held) == (1, 0)
            line.study_s = 3.0
            with pytest.raises(Refusal) as refused:
                line.enter()
            assert refused.value.retry_after == 3
            other.release()
            line.enter()  # whatever it takes, the first is taken

    run(story())
