"""What a caller may cost: pynetdicom's server with limits on the bytes and seconds of a message and on connections.

pynetdicom believes the length that a PDU claims, and gathers fragments for as long as they come; its limits do not see
them. So they are counted where they enter, at the socket.
"""

from __future__ import annotations

import functools
import logging
import socket
import socketserver
import time
from dataclasses import dataclass
from typing import Any

BESIDE_BYTES = 2**20  # of commands and PDU headers around a film
MESSAGE_S = 600.0  # from one answer to the last byte of the next message


@dataclass(frozen=True)
class Limits:
    """film_bytes: of one message. associations: at a time. timeout_s: without a byte."""

    film_bytes: int
    associations: int
    timeout_s: float


class MeteredSocket(socket.socket):
    """Raises OSError, which ends the association, for a message that is too long or takes too long."""

    limit = 0
    left = 0
    until = 0.0

    def restart(self) -> None:
        self.left, self.until = self.limit, time.monotonic() + MESSAGE_S

    def recv(self, count: int, flags: int = 0) -> bytes:
        if self.left <= 0 or time.monotonic() > self.until:
            raise OSError("a message is longer than a film may be")
        data = super().recv(min(count, self.left), flags)
        self.left -= len(data)
        return data


@functools.cache
def limited_server() -> Any:
    """The class of server to give `AE.make_server`, with `limits`."""
    from pynetdicom.transport import ThreadedAssociationServer

    class LimitedServer(ThreadedAssociationServer):
        def __init__(self, *arguments: Any, limits: Limits, **named: Any) -> None:
            self.limits = limits
            super().__init__(*arguments, **named)

        def get_request(self) -> Any:
            accepted, address = super().get_request()
            metered = MeteredSocket(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
            metered.settimeout(self.limits.timeout_s)
            metered.limit = self.limits.film_bytes + BESIDE_BYTES
            metered.restart()
            return metered, address

        def verify_request(self, request: Any, client_address: Any) -> bool:
            """Callers above the limit of associations are told so; beyond twice as many they are not listened to."""
            return len(self.active_associations) < 2 * self.limits.associations

        def shutdown(self) -> None:
            """No new callers; pynetdicom's own expects a server that the entity has started."""
            socketserver.BaseServer.shutdown(self)
            self.server_close()

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing on standard error: tracebacks quote."""

    return LimitedServer


def quiet_pynetdicom() -> None:
    """Its logs quote requests and data sets."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
