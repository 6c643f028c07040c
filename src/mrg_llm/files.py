"""Files that are written whole or not at all: aside, under another name, and then put in place; and folders that one
process at a time works in (`locked`).

In: a path and what it shall hold. Out: the file. After a kill or a crash at any moment the path holds what it held
before or all that is new, never half. Where it is `durable` that goes for a power cut, too, and what is written when
the call returns stays; without it a power cut may leave an empty file where a new one was promised, and a call costs no
wait for the disk. Every part of the program may import this file, which imports nothing of ours.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FLAGS = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | getattr(os, "O_BINARY", 0)


def write_whole(
    path: Path, data: bytes, *, durable: bool = True, shared: bool = False, mode: int | None = None
) -> None:
    """Write a file as the docstring above says; its folder must be there. Arguments and errors: `written_whole`."""
    with written_whole(path, durable=durable, shared=shared, mode=mode) as file:
        file.write(data)


@contextmanager
def written_whole(
    path: Path, *, durable: bool = True, shared: bool = False, mode: int | None = None
) -> Iterator[BinaryIO]:
    """A file to write to, which takes its place at the end of the block; an error inside leaves all as it was.

    shared: several may write this path at a time, and the last wins; a kill then leaves a stray `.*.partial` beside it,
    where else the next writer would use it up. mode: the permissions, from before the first byte; None for the usual
    ones. Raises OSError.
    """
    aside = path.with_name(f".{secrets.token_hex(8)}.partial") if shared else aside_of(path)
    try:
        with open(os.open(aside, FLAGS, 0o666 if mode is None else mode), "wb") as file:
            if mode is not None:
                aside.chmod(mode)  # whatever the umask says
            yield file
            if durable:
                flush(file)
        if durable:
            put_in_place(aside, path)
        else:
            aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Have a folder to oneself among the processes that ask for it here; a lock ends with its process, however that
    ends.

    Yields False, and has nothing, where another process has it and there is no waiting; True also where there are no
    locks (Windows, some network disks). Raises OSError for a folder that is not there.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            free = True
        except BlockingIOError:
            free = False
        except OSError:  # a network disk without locks
            free = True
        yield free
    finally:
        os.close(handle)


def aside_of(path: Path) -> Path:
    """Where a file is written before it has its name."""
    return path.with_name(f".{path.name}.partial")


def flush(file: BinaryIO) -> None:
    """What was written to the file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def put_in_place(aside: Path, path: Path) -> None:
    """Give a flushed file, or a folder of them, its name, for good."""
    aside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """The names of what is in a folder are on the disk, as far as its file system can do that."""
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network disks cannot
            raise
    finally:
        os.close(handle)
