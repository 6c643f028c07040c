"""An SR -> the archive: by C-STORE (`CStore`) or by DICOMweb STOW-RS, PS3.18 10.5 (`Stow`).

Both raise `NotSent`, which says whether another try can help. What an archive answers beyond its status is neither
logged nor kept: it may quote the report.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import threading
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

if TYPE_CHECKING:
    from mrg_llm.serving.node.options import NodeOptions, Peer

ANSWER_BYTES = 2**20
DEADLINES = 3  # timeouts that a whole exchange may take, however steadily its bytes drip
PERMANENT_HTTP = (400, 409, 410, 411, 413, 414, 415, 422)  # the others may change: a password, an address, a disk
OUT_OF_RESOURCES = range(0xA700, 0xA800)
PROCESSING_FAILURE, NOT_AUTHORIZED = 0x0110, 0x0124
WARNINGS = range(0xB000, 0xC000)  # PS3.4 B.2.3: kept, with a remark
FAILED_SEQUENCE, FAILURE_REASON, INSTANCE = "00081198", "00081197", "00081155"


class NotSent(Exception):
    """why: a code of docs/dicom-node.md, with the archive's status. again: another try may do."""

    def __init__(self, why: str, again: bool) -> None:
        super().__init__(why)
        self.why, self.again = why, again


class Archive(Protocol):
    def send(self, sr: bytes) -> None:
        """Returns once the archive says that it has it. Raises NotSent."""


def archive_of(options: NodeOptions) -> Archive | None:
    if options.send:
        return CStore(options.send, options.title, options.timeout_s)
    if options.stow:
        return Stow(options.stow, options.credentials, options.timeout_s)
    return None


class CStore:
    """A storage SCU. One association an SR: they are few."""

    def __init__(self, peer: Peer, title: str, timeout_s: float) -> None:
        from pynetdicom import AE

        from mrg_llm.exports.dicom_sr import BASIC_TEXT_SR
        from mrg_llm.serving.node.association import quiet_pynetdicom

        quiet_pynetdicom()
        self.peer, self.entity = peer, AE(title)
        self.entity.acse_timeout = self.entity.dimse_timeout = timeout_s
        self.entity.network_timeout = self.entity.connection_timeout = timeout_s
        self.entity.add_requested_context(BASIC_TEXT_SR)

    def send(self, sr: bytes) -> None:
        import pydicom

        try:
            association = self.entity.associate(self.peer.host, self.peer.port, ae_title=self.peer.title)
        except OSError as error:  # its name is not known
            raise NotSent(f"unreachable ({type(error).__name__})", again=True) from None
        if not association.is_established:  # whatever the reason, somebody can put it right at the archive
            no_sr = "takes no Basic Text SR" if association.rejected_contexts else "unreachable"
            raise NotSent("rejected" if association.is_rejected else no_sr, again=True)
        try:
            answer = association.send_c_store(pydicom.dcmread(io.BytesIO(sr)))
        finally:
            if association.is_established:
                association.release()
        if "Status" not in answer:
            raise NotSent("no answer", again=True)
        judge_status(int(answer.Status))


class Stow:
    """http.client knows neither redirects nor proxies, so reports and credentials go to the URL given or nowhere."""

    def __init__(self, url: str, credentials: str | None, timeout_s: float) -> None:
        self.parts, self.credentials, self.timeout_s = urlsplit(url), credentials, timeout_s

    def send(self, sr: bytes) -> None:
        boundary = uuid4().hex
        part = f"--{boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {len(sr)}\r\n\r\n"
        body = part.encode() + sr + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
            **({"Authorization": self.credentials} if self.credentials else {}),
        }
        connection = self.connection()
        overdue = threading.Timer(DEADLINES * self.timeout_s, cut, (connection,))
        overdue.daemon = True
        overdue.start()
        try:
            connection.request("POST", f"{self.parts.path.rstrip('/')}/studies", body, headers)
            answer = connection.getresponse()
            said = answer.read(ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise NotSent(f"unreachable ({type(error).__name__})", again=True) from None
        finally:
            overdue.cancel()
            connection.close()
        judge_http(answer.status, said)

    def connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.parts.scheme == "https" else http.client.HTTPConnection
        return kind(self.parts.hostname or "", self.parts.port, timeout=self.timeout_s)


def judge_status(status: int) -> None:
    """Of a C-STORE response. Raises NotSent for a failure."""
    if status == 0 or status in WARNINGS:
        return
    again = status in OUT_OF_RESOURCES or status in (PROCESSING_FAILURE, NOT_AUTHORIZED)
    raise NotSent(f"status {status:04X}", again)


def judge_http(status: int, said: bytes) -> None:
    """Of a STOW-RS response: 200, or 202 and 409, which say what failed. Raises NotSent where the SR was not stored."""
    if status in (200, 202, 409):
        failed = failures(said)
        if failed:
            judge_status(failed[0] or PROCESSING_FAILURE)
    if status not in (200, 202):
        raise NotSent(f"HTTP {status}", again=status not in PERMANENT_HTTP)


def failures(said: bytes) -> list[int]:
    """The failure reasons in a store instances response module (PS3.18 annex I, as JSON); none where it is not one:
    then the HTTP status alone speaks."""
    try:
        told: Any = json.loads(said)
        module = told[0] if isinstance(told, list) else told
        return [int(one.get(FAILURE_REASON, {}).get("Value", [0])[0]) for one in module[FAILED_SEQUENCE]["Value"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def cut(connection: http.client.HTTPConnection) -> None:
    """End a connection that another thread waits for."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
