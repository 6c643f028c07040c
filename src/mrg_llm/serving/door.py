"""Around every request: who may enter, what every answer says in its headers, and what is counted of it.

Whatever goes wrong inside becomes a refusal in JSON. A traceback can quote what a client sent, so the log gets the kind
of an error and the place in the code, never its words.
"""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mrg_llm.serving.auth import is_loopback
from mrg_llm.serving.patience import ClientGone
from mrg_llm.serving.queue import Place
from mrg_llm.serving.refusals import Refusal, internal
from mrg_llm.serving.service import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY",
}  # fmt: skip
GONE = 499  # of the audit file and the metrics: the client left before its answer
log = logging.getLogger("mrg_llm.serving")


@dataclass
class Visit:
    """What is noted of a request: its id, its key's name, the films it brought, and its place in the line."""

    key: str | None = None
    films: int = 0
    place: Place | None = None
    status: int = GONE
    code: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    begun: float = field(default_factory=time.monotonic)


class Door:
    """The ASGI application that stands before the other."""

    def __init__(self, app: ASGIApp, service: Service):
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = scope["visit"] = Visit()
        complete = False

        async def answer(message: Message) -> None:
            nonlocal complete
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                ours = {"x-request-id": visit.id, **{name.lower(): value for name, value in HEADERS.items()}}
                kept = [(name, value) for name, value in message["headers"] if name.decode().lower() not in ours]
                message["headers"] = [*kept, *((n.encode(), v.encode()) for n, v in ours.items())]
            await send(message)
            complete = complete or (message["type"] == "http.response.body" and not message.get("more_body"))

        try:
            refusal = self.refusal(scope, visit)
            if refusal:
                visit.code = refusal.code
                await refusal.response()(scope, receive, answer)
            else:
                await self.app(scope, receive, answer)
        except (ClientGone, ClientDisconnect):
            pass
        except Exception as error:
            log.error("request %s failed: %s", visit.id, where(error))
            if visit.status == GONE:
                await internal().response()(scope, receive, answer)
        finally:
            if not complete:
                visit.status = GONE
            if visit.place:
                self.service.leave(visit.place)
            self.note(scope, visit)

    def refusal(self, scope: Scope, visit: Visit) -> Refusal | None:
        """Why this request may not enter, None if it may."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not self.serves(host):
            return Refusal(400, "bad_request", "the service is not called by that name; open it as localhost, or allow "
                           "the name with --allow-host")  # fmt: skip
        if not scope["path"].startswith("/v1/"):
            return None
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return Refusal(
                403, "cross_origin", "pages of other sites may not use the service; ask it from its own page"
            )
        if self.service.keys is not None:
            visit.key = self.service.keys.owner(headers.get(b"authorization"))
            if visit.key is None:
                return Refusal(401, "unauthorized", "a valid key is needed; send 'Authorization: Bearer KEY'")
        return None

    def serves(self, host: str) -> bool:
        """Whether a Host header is ours: a site whose name somebody lets resolve to loopback is not."""
        options = self.service.options
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in options.hosts:
            return True
        return is_loopback(name) if options.loopback else not options.hosts

    def note(self, scope: Scope, visit: Visit) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        seconds = time.monotonic() - visit.begun
        metrics = self.service.metrics
        metrics.requests.labels(route, str(visit.status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if visit.code:
            metrics.refusals.labels(visit.code).inc()
        if self.service.audit is None or not scope["path"].startswith("/v1/"):
            return
        try:
            self.service.audit.write(
                request=visit.id, key=visit.key, route=f"{method(scope)} {route}", status=visit.status,
                films=visit.films, seconds=seconds,
            )  # fmt: skip
        except OSError as error:
            metrics.unaudited.inc()
            log.error("the audit file does not take lines (%s)", type(error).__name__)


def method(scope: Scope) -> str:
    """The method, if it is one that we serve: others are whatever a client wrote."""
    return scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "OTHER"


def where(error: BaseException) -> str:
    """The kind of an error and the innermost line of code, without its words."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__
