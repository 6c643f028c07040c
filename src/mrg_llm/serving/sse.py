"""A draft as it is written -> events, and events -> the bytes of a stream (server-sent events)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from mrg_llm.serving.door import where
from mrg_llm.serving.engine import Looked
from mrg_llm.serving.patience import ClientGone, deadline
from mrg_llm.serving.refusals import Refusal, internal
from mrg_llm.serving.service import Service, log

HEARTBEAT_S = 10.0  # proxies end streams in which nothing comes
WAITING = b": waiting\n\n"
MEDIA_TYPE = "text/event-stream"


async def told(service: Service, looked: Looked, owner: str | None, begun: float) -> AsyncIterator[tuple[str, Any]]:
    """A draft as it is written: ("sentence", (index, text)) as each ends, then ("report", Memory); ("waiting", None)
    where nothing has come for a while. Raises Refusal."""
    from mrg_llm.model.alignment import split_sentences  # that of the draft's sentences; it takes torch

    heard: asyncio.Queue[str] = asyncio.Queue()
    options, count = service.options, 0
    until = begun + options.deadline_s
    task = asyncio.create_task(service.draft(looked, owner, begun, heard.put_nowait))
    try:
        while not task.done():
            hearing = asyncio.create_task(heard.get())
            await asyncio.wait({task, hearing}, timeout=min(max(until - time.monotonic(), 0), HEARTBEAT_S),
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            if hearing.done():
                for text in split_sentences(hearing.result())[count:-1]:
                    yield "sentence", (count, text)
                    count += 1
                continue
            hearing.cancel()
            if not task.done():
                if time.monotonic() >= until:
                    raise deadline(options.deadline_s)
                yield "waiting", None
        memory = task.result()
        for index, sentence in enumerate(memory.draft.sentences[count:], start=count):
            yield "sentence", (index, sentence.text)
        yield "report", memory
    finally:
        task.cancel()


def frame(data: Any, event: str | None = None) -> bytes:
    """One event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def failure(visit: Any, error: Exception) -> dict[str, dict[str, str]]:
    """What a stream that has begun says of an error."""
    if isinstance(error, ClientGone):
        raise error
    refusal = error if isinstance(error, Refusal) else internal()
    if refusal is not error:
        log.error("request %s failed: %s", visit.id, where(error))
    visit.code = refusal.code
    return refusal.as_json()
