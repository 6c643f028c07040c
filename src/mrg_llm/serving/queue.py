"""Studies that wait -> batches -> drafts: bounded, a few milliseconds of patience, one thread that writes.

A request takes a place before its body is read and gives it back when it has been answered; where no place is free it
is told so at once. Who gives up waiting (its client has gone, its deadline is over) is cancelled and leaves the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from mrg_llm.exports import DraftReport
from mrg_llm.serving.engine import Engine, Looked
from mrg_llm.serving.metrics import Metrics
from mrg_llm.serving.refusals import Refusal

T = TypeVar("T")
Hear = Callable[[str], None]  # the text so far
LINGER_S = 0.005
LONGEST_RETRY_S = 60


@dataclass(eq=False)
class Place:
    """A request's right to be worked on, and the bytes of its body."""

    line: Line
    held: int = 0
    free: bool = False

    def hold(self, count: int) -> None:
        """Count bytes that are kept for this request. Raises Refusal where all together are too many."""
        self.held += count
        self.line.held += count
        if self.line.held > self.line.most_bytes:
            raise self.line.busy()

    def release(self) -> None:
        if not self.free:
            self.free = True
            self.line.taken -= 1
            self.line.held -= self.held


@dataclass(eq=False)
class Ticket:
    looked: Looked
    done: asyncio.Future[DraftReport]
    hear: Hear | None
    since: float = field(default_factory=time.monotonic)


class Line:
    """`async with Line(engine, metrics) as line: await line.draft(looked)`."""

    def __init__(
        self, engine: Engine, metrics: Metrics, *, places: int = 32, batch: int = 8, most_bytes: int = 2**30,
        patience_s: float = math.inf,
    ):  # fmt: skip
        self.engine, self.metrics, self.places, self.batch, self.most_bytes = engine, metrics, places, batch, most_bytes
        self.taken, self.held, self.patience_s = 0, 0, patience_s
        self.study_s = 0.0  # that a study takes, a moving average
        self.waiting: deque[Ticket] = deque()
        self.came, self.full = asyncio.Event(), asyncio.Event()
        self.worker = ThreadPoolExecutor(1, "mrg-writing")

    async def __aenter__(self) -> Line:
        self.task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self.worker.shutdown(wait=False, cancel_futures=True)

    def enter(self) -> Place:
        """A place. Raises Refusal where none is free, or where the study would wait longer than anybody does."""
        too_late = self.taken > 0 and (self.taken + 1) * self.study_s > self.patience_s
        if self.taken >= self.places or too_late:
            raise self.busy()
        self.taken += 1
        return Place(self)

    def busy(self) -> Refusal:
        wait_s = math.ceil(self.taken * self.study_s)
        retry_s = min(max(wait_s, 1), LONGEST_RETRY_S)
        return Refusal(503, "busy", f"the service has as many studies as it takes; try again in {retry_s} s", retry_s)

    @property
    def depth(self) -> int:
        """Studies that wait, without those that have given up."""
        return sum(not ticket.done.done() for ticket in self.waiting)

    async def draft(self, looked: Looked, hear: Hear | None = None) -> DraftReport:
        """The draft of one study, in a batch with others. hear: called in the event loop as its text grows. Cancelling
        this takes the study out of the line."""
        ticket = Ticket(looked, asyncio.get_running_loop().create_future(), hear)
        self.waiting.append(ticket)
        self.came.set()
        if len(self.waiting) >= self.batch:
            self.full.set()
        return await ticket.done

    async def alone(self, work: Callable[[], T]) -> T:
        """Something else that the model has to do, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, work)

    async def run(self) -> None:
        while True:
            await self.came.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.full.wait(), LINGER_S)
            if batch := self.take():
                await self.write(batch)

    def take(self) -> list[Ticket]:
        """The next batch, without those that have given up."""
        batch: list[Ticket] = []
        while self.waiting and len(batch) < self.batch:
            ticket = self.waiting.popleft()
            if not ticket.done.done():
                batch.append(ticket)
        if not self.waiting:
            self.came.clear()
        if len(self.waiting) < self.batch:
            self.full.clear()
        return batch

    async def write(self, batch: list[Ticket]) -> None:
        """One batch. Where it fails each of its studies is tried alone, so that none pays for another."""
        loop, begun = asyncio.get_running_loop(), time.monotonic()
        for ticket in batch:
            self.metrics.stage.labels("wait").observe(begun - ticket.since)
        told = partial(pass_on, loop, batch) if any(ticket.hear for ticket in batch) else None
        work = partial(self.engine.write, [ticket.looked for ticket in batch], told)
        try:
            drafts = await loop.run_in_executor(self.worker, work)
        except Exception as error:
            if len(batch) == 1:
                if not batch[0].done.done():
                    batch[0].done.set_exception(error)
                return
            for ticket in batch:
                if not ticket.done.done():
                    await self.write([ticket])
            return
        seconds = time.monotonic() - begun
        self.study_s += (seconds / len(batch) - self.study_s) / 4
        self.metrics.batch.observe(len(batch))
        self.metrics.stage.labels("write").observe(seconds)
        for ticket, draft in zip(batch, drafts, strict=True):
            if not ticket.done.done():
                ticket.done.set_result(draft)


def pass_on(loop: asyncio.AbstractEventLoop, batch: list[Ticket], place: int, text: str) -> None:
    """From the writing thread to the event loop."""
    hear = batch[place].hear
    if hear is not None and not batch[place].done.done():
        loop.call_soon_threadsafe(hear, text)
