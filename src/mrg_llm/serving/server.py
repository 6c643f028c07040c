"""uvicorn, so that the signal to stop loses nothing and a client that dawdles costs nothing.

SIGTERM or Ctrl-C: new studies are refused (503 draining) while those that were accepted are finished and answered; then
the process ends with 0. A second signal, or too long a wait, ends it at once, with 1.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mrg_llm.errors import ResourceError
from mrg_llm.serving.app import app_of
from mrg_llm.serving.service import Service

IDLE_S = 15  # of a connection on which no request is being answered: for a request's head, and for the next request
CONNECTIONS = 1_000
LOOK_EVERY_S = 0.02
CLOSE_S = 5  # for connections to close, after all has been answered


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that hangs up where no whole head of a request has come for IDLE_S."""

    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.wait()

    def on_response_complete(self) -> None:
        self.wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wait(stop=True)
        super().connection_lost(exc)

    def wait(self, stop: bool = False) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
        self.waiting = None if stop else self.loop.call_later(IDLE_S, self.hang_up)

    def hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


class DrainingServer(uvicorn.Server):
    """finished: whether all that was accepted has been answered."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self.service, self.finished = service, True
        self.drain: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not self.service.ready:  # a second signal, or one before the start
            self.should_exit = self.force_exit = True
            self.finished = self.service.idle
            return
        self.service.draining = True
        self.service.loop.call_soon_threadsafe(self.begin)

    def begin(self) -> None:
        self.drain = asyncio.create_task(self.end_when_idle())

    async def end_when_idle(self) -> None:
        try:
            async with asyncio.timeout(self.service.options.drain_s):
                while not self.service.idle:
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            self.finished = False
            self.force_exit = True
        self.should_exit = True


def bound(host: str, port: int) -> socket.socket:
    """A socket to listen at. Raises ResourceError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), port))
    except OSError as error:
        listening.close()
        raise ResourceError(f"{host}:{port} cannot be listened on ({error.strerror or type(error).__name__}); give "
                            "another --host or --port") from None  # fmt: skip
    return listening


def run(service: Service, listening: socket.socket) -> bool:
    """Serve until a signal; whether all that was accepted was answered."""
    config = uvicorn.Config(
        app_of(service), http=PatientProtocol, ws="none", lifespan="on", loop="asyncio", server_header=False,
        access_log=False, log_level="warning", proxy_headers=False, limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_S, timeout_graceful_shutdown=CLOSE_S,
    )  # fmt: skip
    server = DrainingServer(config, service)
    server.run(sockets=[listening])
    return server.finished
