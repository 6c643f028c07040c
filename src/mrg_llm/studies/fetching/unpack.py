"""A .tgz -> a folder, whole or not at all: plain files and folders inside it, nothing else, and not too much of them.

Refused: absolute paths, "..", links, devices, a damaged or cut archive, more bytes or files than the limits.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from mrg_llm.errors import DataError, ResourceError

MOST_FILES = 100_000


def unpack(
    archive: Path, folder: Path, most_bytes: int, progress: Callable[[int, None], None] = lambda files, all_: None
) -> int:
    """Unpack `archive` as `folder`; returns the number of files. A top folder of the same name is not doubled.

    most_bytes: of all files together. progress: told (files done, None: nobody knows how many there are). Raises
    DataError for what is refused, ResourceError where the disk is the trouble; `folder` is then as it was.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ResourceError("unpacking safely needs Python 3.11.4 or newer; update Python, what was fetched is kept")
    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        files = taken_out(archive, aside, most_bytes, progress)
        top = aside / folder.name
        alone = top.is_dir() and len(list(aside.iterdir())) == 1
        if folder.exists():
            shutil.rmtree(folder)
        (top if alone else aside).replace(folder)
        folder.chmod(0o755)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        name = type(error).__name__
        raise DataError(f"{archive} is damaged or incomplete ({name}); remove it and fetch again") from error
    except OSError as error:
        raise ResourceError(f"{archive} cannot be unpacked to {folder} ({error.strerror}); make room there") from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    return files


def taken_out(archive: Path, folder: Path, most_bytes: int, progress: Callable[[int, None], None]) -> int:
    files = written = 0
    with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise DataError(f"{archive} holds {shown(member)}, which is a link or a device; it was not unpacked")
            if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
                raise DataError(f"{archive} holds {shown(member)}, which lies outside the folder; it was not unpacked")
            written += member.size
            files += member.isfile()
            if written > most_bytes or files > MOST_FILES:
                raise DataError(
                    f"{archive} unpacks to more than {most_bytes:,} bytes or {MOST_FILES:,} files, which the data set "
                    "does not; it was not unpacked"
                )
            tar.extract(member, folder, filter="data")  # once more by the library, which knows other systems' paths
            progress(files, None)
        while stream.read(1 << 20):  # to the end, where gzip keeps the CRC of everything
            pass
    return files


def shown(member: tarfile.TarInfo) -> str:
    return repr(member.name[:80])
