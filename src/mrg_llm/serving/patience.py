"""Work for a client that waits: it is done before the deadline and while somebody is there, or given up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request

from mrg_llm.serving.engine import Asked, Looked
from mrg_llm.serving.refusals import Refusal
from mrg_llm.serving.remembered import Memory
from mrg_llm.serving.service import Service

T = TypeVar("T")


async def look(request: Request, work: Any, begun: float) -> Looked:
    """A study's films, read before the deadline while the client is there. work: makes what is Asked."""
    service: Service = request.app.state.service

    def counted() -> Asked:
        asked: Asked = work()
        request.scope["visit"].films = len(asked.films)
        return asked

    seconds = service.options.deadline_s
    return await unless_gone(request.receive, within(seconds, begun + seconds, service.look(counted)))


async def draft(request: Request, looked: Looked, begun: float) -> Memory:
    """A study's draft, written before the deadline while the client is there."""
    service: Service = request.app.state.service
    seconds = service.options.deadline_s
    work = service.draft(looked, request.scope["visit"].key, begun)
    return await unless_gone(request.receive, within(seconds, begun + seconds, work))


async def unless_gone(receive: Callable[[], Awaitable[Any]], work: Coroutine[Any, Any, T]) -> T:
    """The result of work, which is cancelled when the client goes away. Raises ClientGone then."""
    task, watch = asyncio.create_task(work), asyncio.create_task(gone(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        for one in (task, watch):
            if one.cancel():  # it was not done
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await one


class ClientGone(Exception):
    """Nobody is there to be answered."""


async def gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def within(deadline_s: float, until: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of work, or Refusal when the monotonic clock passes `until`."""
    try:
        async with asyncio.timeout(max(until - time.monotonic(), 0)):
            return await work
    except TimeoutError:
        raise deadline(deadline_s) from None


def deadline(deadline_s: float) -> Refusal:
    return Refusal(504, "deadline", f"the draft was not ready within {deadline_s:g} seconds; try again later")
