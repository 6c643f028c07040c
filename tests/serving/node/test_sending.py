"""Both ways to an archive: what counts as kept, what is tried again, and that nothing goes astray."""

import http.server
import io
import json
import threading
import time
from dataclasses import replace

import pydicom
import pytest

from mrg_llm.exports import read_identity, render
from mrg_llm.serving.node.options import Peer
from mrg_llm.serving.node.sending import CStore, NotSent, Stow
from tests.serving.node.played import CT_STORAGE, PlayedArchive, fake_drafter, film_bytes

SECRET = "hunter2"


@pytest.fixture(scope="module")
def sr():
    films = [film_bytes()]
    return render(replace(fake_drafter(films), study=read_identity(films)), "dicom-sr")


@pytest.fixture
def web():
    """web(answer) -> a server and its URL; answer(handler) is called with each request, which `seen` keeps."""
    servers = []

    def started(answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.seen.append((self.path, dict(self.headers), body))
                answer(self)

            def log_message(self, *what):
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.seen, server.daemon_threads = [], True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server, f"http://127.0.0.1:{server.server_address[1]}/dicom-web"

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def saying(status, body=b"", **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def failed(reason: int) -> bytes:
    return json.dumps({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}).encode()


def outcome(archive, sr) -> tuple[str, bool] | None:
    """None where it was sent, else why not and whether to try again."""
    try:
        archive.send(sr)
    except NotSent as error:
        return error.why, error.again
    return None


@pytest.mark.parametrize("status, expected", [
    (0x0000, None), (0xB000, None), (0xA700, ("status A700", True)), (0x0110, ("status 0110", True)),
    (0xA900, ("status A900", False)), (0xC000, ("status C000", False)),
])  # fmt: skip
def test_what_a_c_store_status_means(sr, status, expected):
    archive = PlayedArchive([status])
    try:
        assert outcome(CStore(archive.peer, "MRG_LLM", 10), sr) == expected
        assert len(archive.received) == (expected is None)
    finally:
        archive.stop()


def test_c_store_brings_the_report_as_it_was_written(sr, archive):
    CStore(archive.peer, "MRG_LLM", 10).send(sr)
    (received,) = archive.received
    assert received == pydicom.dcmread(io.BytesIO(sr))


def test_an_archive_without_sr_an_unknown_name_and_nobody_at_all(sr, archive):
    no_sr = PlayedArchive(classes=(CT_STORAGE,))
    try:
        assert outcome(CStore(no_sr.peer, "MRG_LLM", 10), sr) == ("takes no Basic Text SR", True)
    finally:
        no_sr.stop()
    assert outcome(CStore(replace(archive.peer, title="OTHER"), "MRG_LLM", 10), sr) == ("rejected", True)
    archive.stop()
    assert outcome(CStore(archive.peer, "MRG_LLM", 10), sr) == ("unreachable", True)
    assert outcome(CStore(Peer("A", "no-such-host.invalid", 104), "MRG_LLM", 10), sr) == ("unreachable", True)


def test_stow_posts_the_report_whole(sr, web):
    server, url = web(saying(200, b"{}"))
    Stow(url + "/", f"Bearer {SECRET}", 10).send(sr)
    ((path, headers, body),) = server.seen
    assert path == "/dicom-web/studies" and headers["Authorization"] == f"Bearer {SECRET}"
    head, _, rest = body.partition(b"\r\n\r\n")
    boundary = head.splitlines()[0]
    assert f"boundary={boundary.decode()[2:]}" in headers["Content-Type"]
    assert 'type="application/dicom"' in headers["Content-Type"] and b"application/dicom" in head
    assert rest == sr + b"\r\n" + boundary + b"--\r\n"


@pytest.mark.parametrize("status, body, expected", [
    (200, b"", None), (200, b"no JSON", None), (202, b"{}", None), (200, failed(0xA700), ("status A700", True)),
    (202, failed(0xA900), ("status A900", False)), (409, failed(0xA700), ("status A700", True)),
    (409, failed(0x0122), ("status 0122", False)), (409, b"", ("HTTP 409", False)), (400, b"", ("HTTP 400", False)),
    (401, b"", ("HTTP 401", True)), (404, b"", ("HTTP 404", True)), (415, b"", ("HTTP 415", False)),
    (429, b"", ("HTTP 429", True)), (500, b"", ("HTTP 500", True)), (503, b"", ("HTTP 503", True)),
    (204, b"", ("HTTP 204", True)),
])  # fmt: skip
def test_what_an_http_status_means(sr, web, status, body, expected):
    _, url = web(saying(status, body))
    assert outcome(Stow(url, None, 10), sr) == expected


def test_reports_and_credentials_follow_no_redirect_and_no_proxy(sr, web, monkeypatch):
    elsewhere, other = web(saying(200))
    _, url = web(saying(307, Location=f"{other}/studies"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, other.removesuffix("/dicom-web"))
    assert outcome(Stow(url, f"Bearer {SECRET}", 10), sr) == ("HTTP 307", True)
    assert elsewhere.seen == []


def test_a_web_server_that_is_silent_or_drips_is_left(sr, web):
    _, silent = web(lambda handler: time.sleep(5))

    def drips(handler):
        for _ in range(200):
            handler.wfile.write(b"HTTP/1.1 ")
            handler.wfile.flush()
            time.sleep(0.05)

    _, dripping = web(drips)
    for url in (silent, dripping):
        begun = time.monotonic()
        why, again = outcome(Stow(url, None, 0.2), sr)
        assert why.startswith("unreachable") and again and time.monotonic() - begun < 4
    assert outcome(Stow("http://127.0.0.1:1/x", None, 1), sr) == ("unreachable (ConnectionRefusedError)", True)


def test_a_web_server_without_a_certificate_gets_nothing(sr, web):
    server, url = web(saying(200))
    why, again = outcome(Stow(url.replace("http:", "https:"), f"Bearer {SECRET}", 5), sr)
    assert why == "unreachable (SSLError)" and again and server.seen == []
