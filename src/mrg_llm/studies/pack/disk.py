"""What a pack is written with: one writer at a time, files that grow, and errors of the disk in a sentence."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.files import flush, locked


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """The folder is there; an OSError becomes a ResourceError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceError(
                f"the disk of {folder} is full; make room and give the same command again, it goes on from there"
            ) from error
        raise ResourceError(f"{folder} cannot be written ({error.strerror}); choose a folder that can") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Two writers in one folder would spoil each other's work. Raises DataError where another process has it."""
    with locked(folder, wait=False) as free:
        if not free:
            raise DataError(f"{folder} is being packed by another process; wait for it, or end it")
        yield


def append(path: Path, data: bytes) -> None:
    """Raises OSError; a part of the data may have been written then."""
    with path.open("ab") as file:
        file.write(data)
        flush(file)


def cut(path: Path, size: int) -> None:
    """Leave the first `size` bytes of a file, which is made where there is none. Raises DataError for a shorter one."""
    with path.open("ab") as file:
        if file.tell() < size:
            raise DataError(f"{path} is shorter than it was; delete its folder and pack the data again")
        file.truncate(size)
