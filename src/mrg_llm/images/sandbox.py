"""A stranger's file -> Film, decoded in a process of its own with limits on memory and time: a bad file costs that file
only.

The worker reads length-prefixed files on standard input and answers in JSON and raw pixels, never in pickle: what it
says is checked as any other input. It serves many files, and is killed and started anew when one of them hurts it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from mrg_llm.errors import ImageError
from mrg_llm.images import Film, decode, load, name_of
from mrg_llm.images.limits import DecodeLimits, check_size

LENGTH = struct.Struct("<Q")
START_SECONDS = 120  # a cold disk reads numpy, Pillow and pydicom slowly
LONGEST_ANSWER = 65_536  # bytes of JSON; pixels come after
READY = b"ready"
WORKERS = 2  # a film that takes all its seconds holds up no other


def read_film_untrusted(
    source: Path | str | bytes, limits: DecodeLimits | None = None, name: str | None = None
) -> Film:
    """As `read_film`, in a child process that is kept for the next file. Raises ImageError, also for a file that takes
    too long, too much memory, or kills its decoder. Safe to call from several threads; WORKERS of them are served at a
    time.

    name: how a message calls the source, where its path is not to be named or it has none."""
    with borrowed(limits or DecodeLimits()) as box:
        return box.read(source, name)


def start_decoder(limits: DecodeLimits | None = None) -> None:
    """Begin to start a worker for `read_film_untrusted`, so that it is there when the first film comes."""
    with borrowed(limits or DecodeLimits()) as box:
        box.start()


class Sandbox:
    """One worker process. `with Sandbox(limits) as box: box.read(path)`."""

    def __init__(self, limits: DecodeLimits | None = None):
        self.limits = limits or DecodeLimits()
        self.worker: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.owner = os.getpid()
        self.lock = threading.Lock()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def read(self, source: Path | str | bytes, name: str | None = None) -> Film:
        """One film. Raises ImageError."""
        try:
            data = load(source)
            with self.lock:
                return self.ask(data)
        except ImageError as error:
            raise ImageError(f"{name or name_of(source)}: {error}") from None

    def close(self) -> None:
        """End the worker; the next read starts another."""
        worker, self.worker = self.worker, None
        if worker is not None and self.owner == os.getpid():
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                close_quietly(pipe)

    def ask(self, data: bytes) -> Film:
        worker = self.started()
        begun = time.monotonic()
        stop = threading.Timer(self.limits.seconds, worker.kill)
        stop.start()
        try:
            send(worker.stdin, data)
            return answered(worker.stdout)
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            late = time.monotonic() - begun >= self.limits.seconds
            self.close()
            raise ImageError(
                f"decoding took more than {self.limits.seconds:g} seconds and was stopped"
                if late
                else "the picture ended its decoder (too much memory or time, or a damaged file)"
            ) from None
        finally:
            stop.cancel()

    def started(self) -> subprocess.Popen[bytes]:
        """The worker, once it is ready. Raises ImageError."""
        worker = self.start()
        stop = threading.Timer(START_SECONDS, worker.kill)
        stop.start()
        try:
            if not self.ready and receive(worker.stdout, len(READY)) != READY:
                raise EOFError
        except EOFError:
            self.close()
            raise ImageError("the decoder process could not be started; is there memory for it?") from None
        finally:
            stop.cancel()
        self.ready = True
        return worker

    def start(self) -> subprocess.Popen[bytes]:
        """The worker, ready or not; a new one if there is none, or if this process is a fork of the one that had it."""
        if self.owner != os.getpid():
            self.worker, self.owner = None, os.getpid()
        if self.worker is not None and self.worker.poll() is None:
            return self.worker
        self.close()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-m", __name__, repr(self.limits.seconds), str(self.limits.memory_bytes)]
        self.ready = False
        self.worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        return self.worker


def serve(seconds: float, memory_bytes: int) -> None:
    """The worker: decode what comes, until the parent is gone."""
    import mrg_llm.images.dicom
    import mrg_llm.images.raster  # noqa: F401  imported before the limits, which are meant for the films

    inbox, outbox = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a decoder prints must not become an answer
    limit_memory(memory_bytes)
    outbox.write(READY)
    outbox.flush()
    while head := inbox.read(LENGTH.size):
        data = inbox.read(LENGTH.unpack(head)[0])
        limit_processor(seconds)
        try:
            film = decode(data)
            meta = {"shape": film.pixels.shape, "kind": film.kind, "bits": film.bits, "notes": film.notes}
            send(outbox, json.dumps(meta).encode())
            outbox.write(np.ascontiguousarray(film.pixels, "<f4").data)
            outbox.flush()
        except ImageError as error:
            send(outbox, json.dumps({"error": str(error)}).encode())


def limit_memory(memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the clock is the only limit
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def limit_processor(seconds: float) -> None:
    """Only the soft limit moves: it counts from the start of the process, so each file gets its own."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    until = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def answered(pipe: IO[bytes] | None) -> Film:
    """The worker's answer. Raises ImageError as the worker did, EOFError or ValueError if it makes no sense."""
    (length,) = LENGTH.unpack(receive(pipe, LENGTH.size))
    if length > LONGEST_ANSWER:
        raise ValueError
    meta = json.loads(receive(pipe, length))
    if "error" in meta:
        raise ImageError(str(meta["error"]))
    rows, columns = (int(side) for side in meta["shape"])
    check_size(rows, columns)
    pixels = np.frombuffer(receive(pipe, 4 * rows * columns), "<f4").reshape(rows, columns)
    return Film(pixels, meta["kind"], int(meta["bits"]), tuple(str(note) for note in meta["notes"]))


def send(pipe: IO[bytes] | None, data: bytes) -> None:
    assert pipe is not None
    pipe.write(LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes] | None, count: int) -> bytearray:
    assert pipe is not None
    data = bytearray(count)
    view, filled = memoryview(data), 0
    while filled < count:
        got = pipe.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        filled += got
    return data


def close_quietly(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:  # what was still to be written goes nowhere
        pass


SHARED: dict[DecodeLimits, queue.LifoQueue[Sandbox]] = {}
SHARING = threading.Lock()


@contextlib.contextmanager
def borrowed(limits: DecodeLimits) -> Iterator[Sandbox]:
    """A process-wide worker for these limits that is free, the one used last first."""
    free = shared(limits)
    box = free.get()
    try:
        yield box
    finally:
        free.put(box)


def shared(limits: DecodeLimits) -> queue.LifoQueue[Sandbox]:
    """The process-wide workers for these limits that are free; each is started when it is first needed."""
    with SHARING:
        if limits not in SHARED:
            SHARED[limits] = queue.LifoQueue()
            for box in (Sandbox(limits) for _ in range(WORKERS)):
                SHARED[limits].put(box)
                atexit.register(box.close)
        return SHARED[limits]


if __name__ == "__main__":
    serve(float(sys.argv[1]), int(sys.argv[2]))
