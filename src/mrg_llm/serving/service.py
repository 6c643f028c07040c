"""One running service: its model, its line, its keys and what it remembers; and the way of a study through it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mrg_llm.errors import ImageError, InputError, ResourceError
from mrg_llm.exports import DraftReport
from mrg_llm.serving.audit import AuditFile
from mrg_llm.serving.auth import Keys
from mrg_llm.serving.bodies import Limits
from mrg_llm.serving.engine import Asked, Engine, Looked
from mrg_llm.serving.metrics import Metrics
from mrg_llm.serving.queue import Hear, Line, Place
from mrg_llm.serving.refusals import Refusal, refused
from mrg_llm.serving.remembered import Memory, Remembered

T = TypeVar("T")
READERS = 2  # studies read at a time: one bad film takes its 30 seconds, and the others go on
FORGET_EVERY_S = 20.0
DRAINING_RETRY_S = 5
log = logging.getLogger("mrg_llm.serving")


class Worklist(Protocol):
    """What the service asks of a DICOM node (mrg_llm.serving.node)."""

    def items(self) -> Sequence[dict[str, Any]]: ...

    def report(self, id: str) -> Received | None: ...

    def stop(self) -> None: ...


class Received(Protocol):
    draft: DraftReport
    films: list[bytes]


Drafter = Callable[[list[bytes]], DraftReport]
NodeOf = Callable[[Drafter], Worklist]


@dataclass(frozen=True)
class Options:
    """places: studies worked on or waiting at a time. batch: studies written together. deadline_s: from the end of a
    request's body. hosts: names by which a service on loopback may be called beside localhost. loopback: listens
    there alone."""

    places: int = 32
    batch: int = 8
    deadline_s: float = 120.0
    drain_s: float = 150.0
    limits: Limits = field(default_factory=Limits)
    hosts: tuple[str, ...] = ()
    loopback: bool = True
    keep_edits: Path | None = None


class Service:
    """`async with service:` while it runs. node_of: starts a DICOM node, given what drafts its studies."""

    def __init__(
        self, engine: Engine, options: Options | None = None, *, keys: Keys | None = None,
        audit: AuditFile | None = None, node_of: NodeOf | None = None,
    ):  # fmt: skip
        self.engine, self.options, self.keys, self.audit = engine, options or Options(), keys, audit
        self.metrics, self.remembered = Metrics(), Remembered()
        self.node_of = node_of
        self.node: Worklist | None = None
        self.draining, self.accepted, self.answered = False, 0, 0
        self.from_node: dict[str, str] = {}  # worklist id -> report id, while it is remembered

    async def __aenter__(self) -> Service:
        options = self.options
        self.loop = asyncio.get_running_loop()
        self.line = Line(
            self.engine,
            self.metrics,
            places=options.places,
            batch=options.batch,
            most_bytes=4 * options.limits.bytes,
            patience_s=options.deadline_s,
        )
        self.metrics.places.set_function(lambda: self.line.taken)
        self.metrics.held.set_function(lambda: self.line.held)
        self.metrics.depth.set_function(lambda: self.line.depth)
        self.metrics.draining.set_function(lambda: self.draining)
        self.readers = ThreadPoolExecutor(READERS, "mrg-reading")
        await self.line.__aenter__()
        self.forgetting = asyncio.create_task(self.forget())
        if self.node_of:
            self.node = await asyncio.to_thread(self.node_of, self.draft_films)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self.node:
            await asyncio.to_thread(self.node.stop)
        self.forgetting.cancel()
        self.readers.shutdown(wait=False, cancel_futures=True)
        await self.line.__aexit__(*error)

    @property
    def ready(self) -> bool:
        return not self.draining and hasattr(self, "line")

    @property
    def idle(self) -> bool:
        return self.accepted == self.answered

    def enter(self) -> Place:
        """A place for a study. Raises Refusal while draining and where none is free."""
        if self.draining:
            raise Refusal(503, "draining", "the service is stopping and takes no more; ask again, or another instance",
                          DRAINING_RETRY_S)  # fmt: skip
        place = self.line.enter()
        self.accepted += 1
        return place

    def leave(self, place: Place) -> None:
        place.release()
        self.answered += 1

    async def read(self, work: Callable[[], T]) -> T:
        """What takes time but no model, in a thread of the readers'. Raises Refusal for our own errors."""
        try:
            return await self.loop.run_in_executor(self.readers, work)
        except ResourceError:
            raise
        except InputError as error:
            raise refused(error) from None

    async def look(self, asked_of: Callable[[], Asked]) -> Looked:
        """The films of a body, read. Raises Refusal."""

        def work() -> Looked:
            asked = asked_of()
            self.metrics.films.inc(len(asked.films))
            return self.engine.look(asked)

        begun = time.monotonic()
        looked = await self.read(work)
        self.metrics.stage.labels("read").observe(time.monotonic() - begun)
        return looked

    async def draft(self, looked: Looked, owner: str | None, begun: float, hear: Hear | None = None) -> Memory:
        """The draft of a study, remembered. begun: by the monotonic clock."""
        draft = await self.line.draft(looked, hear)
        return self.remembered.add(Memory(owner, looked, draft, time.monotonic() - begun))

    def draft_films(self, films: list[bytes]) -> DraftReport:
        """For the node, from its own thread: it waits its turn and needs no place."""
        try:
            looked = self.engine.look(Asked(tuple(films)))
        except Refusal as refusal:
            raise ImageError(refusal.message) from None
        return asyncio.run_coroutine_threadsafe(self.line.draft(looked), self.loop).result()

    async def received(self, id: str, owner: str | None) -> Memory | None:
        """A worklist item's draft, remembered like any other."""
        known = self.remembered.get(self.from_node.get(id, ""), owner)
        if known is not None or self.node is None:
            return known
        received = await asyncio.to_thread(self.node.report, id)
        if received is None:
            return None
        looked = await self.read(partial(self.engine.look, Asked(tuple(received.films), anyway=True)))
        memory = self.remembered.add(Memory(owner, looked, received.draft, 0.0))
        self.from_node[id] = memory.id
        return memory

    async def keep_edit(self, memory: Memory) -> bool:
        """Append (draft, final) to the operator's file; False where that was not switched on or failed."""
        if self.options.keep_edits is None:
            return False
        pair = {"draft": memory.draft.findings, "final": memory.edited, "model": memory.draft.model}
        try:
            await asyncio.to_thread(append, self.options.keep_edits, json.dumps(pair, ensure_ascii=False) + "\n")
        except OSError as error:
            log.error("an edit could not be kept (%s)", type(error).__name__)
            return False
        return True

    async def forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_EVERY_S)
            self.remembered.forget()
            kept = self.remembered.items
            self.from_node = {item: report for item, report in self.from_node.items() if report in kept}


def append(path: Path, line: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
        file.write(line)
