"""A real process: signals, load, clients that dawdle. None of it is timed but by limits that only a hang exceeds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.serving.fakes import png

pytest.importorskip("fastapi")
FILM = png()
HEAD = b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


class Started:
    """The service in a process of its own, with a model that is none."""

    def __init__(self, *options: str):
        command = [sys.executable, "-m", "tests.serving.fake_server", "--port", "0", "--blind", *options]
        path = os.pathsep.join(filter(None, [str(REPOSITORY / "src"), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": path}, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        self.reach()

    def reach(self) -> None:
        """Wait until it listens, at the address that it says."""
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                return
            time.sleep(0.05)
        raise TimeoutError

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        said, complained = self.process.communicate(timeout=60)
        return self.process.returncode, said, complained

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def asked(port: int, film: bytes = FILM) -> int | None:
    """The status of one study's answer, which has come whole; None where the service could not be reached any more."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    with contextlib.closing(writer):
        try:
            writer.write(HEAD % len(film) + film)
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):  # it was still in the kernel's queue when the service ended
            return None
        lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n") if b": " in line)
        answer = json.loads(await reader.readexactly(int(lines[b"content-length"])))
    status = int(head.split()[1])
    assert ("findings" in answer) == (status == 200)
    return status


async def clients(port: int, count: int, each: int) -> list[int | None]:
    """Statuses of `count` clients that ask `each` times, one after the other."""

    async def one() -> list[int | None]:
        return [await asked(port) for _ in range(each)]

    return [status for statuses in await asyncio.gather(*(one() for _ in range(count))) for status in statuses]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_five_times_its_capacity_is_answered_with_200_and_503_and_memory_stays():
    """Forty clients at eight places. Memory: after a warm round, and after four times as much."""
    with Started("--latency", "0.02", "--places", "8", "--batch", "4") as service:
        seen = asyncio.run(clients(service.port, 40, 10))
        warm = service.resident_bytes()
        for _ in range(4):
            seen += asyncio.run(clients(service.port, 40, 10))
        grown = service.resident_bytes() - warm
        assert set(seen) == {200, 503} and grown < 24 * 2**20, grown
        code, said, complained = service.stop()
        accepted = seen.count(200)
        assert (code, said, complained) == (0, f"accepted {accepted}, answered {accepted}\n", "")


def test_a_signal_under_load_loses_nothing_that_was_accepted():
    """Twenty rounds, whatever moment the signal comes at: as many whole answers as studies were accepted."""

    async def round(service: Started, number: int) -> list[int | None]:
        load = asyncio.create_task(clients(service.port, 10, 30))
        await asyncio.sleep(0.02 * number)
        service.process.send_signal((signal.SIGTERM, signal.SIGINT)[number % 2])
        return await load

    with Started("--latency", "0.02", "--places", "6", "--batch", "2", "--rounds", "20") as service:
        for number in range(20):
            if number:
                service.reach()
            seen = asyncio.run(round(service, number))
            accepted = seen.count(200)
            assert service.process.stdout.readline() == f"accepted {accepted}, answered {accepted}\n"
            assert set(seen) <= {200, 503, None}
        assert service.process.communicate(timeout=60) == ("", "") and service.process.returncode == 0


def test_clients_that_dawdle_cost_others_nothing():
    """Heads that never end and bodies that never come, more of them than there are threads and places for studies."""
    with Started("--latency", "0", "--places", "4") as service, contextlib.ExitStack() as stack:
        for start in [b"GET /healthz HTTP/1.1\r\nHost: "] * 50 + [HEAD % 1000] * 3:
            dawdler = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), 10))
            dawdler.sendall(start)
        for _ in range(3):
            assert asyncio.run(asked(service.port)) == 200


def test_a_client_that_leaves_gives_its_place_back():
    with Started("--latency", "0.5", "--places", "1") as service:
        with socket.create_connection(("127.0.0.1", service.port), 10) as leaver:
            leaver.sendall(HEAD % len(FILM) + FILM)
            while asyncio.run(asked(service.port)) != 503:
                pass
        while asyncio.run(asked(service.port)) != 200:
            pass
        assert service.stop()[0] == 0


def test_a_second_signal_ends_it_at_once():
    with Started("--latency", "5", "--places", "1") as service, contextlib.ExitStack() as stack:
        waiter = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), 10))
        waiter.sendall(HEAD % len(FILM) + FILM)
        while asyncio.run(asked(service.port)) != 503:  # the other took the only place
            pass
        service.process.send_signal(signal.SIGTERM)
        assert asyncio.run(asked(service.port)) == 503 and service.process.poll() is None
        code, said, _ = service.stop()
        assert (code, said) == (1, "accepted 1, answered 0\n") or said == "accepted 1, answered 1\n"
