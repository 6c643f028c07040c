"""One file over HTTP into FILE.part, resumed with Range after any break, and renamed only when it is whole.

FILE.part.json holds what the server said of the file (size, date or ETag). A part of another file is never continued:
the server is asked with If-Range, and what it answers is compared.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError, ResourceError

TIMEOUT_S = 60.0
CHUNK = 1 << 20
TRIES = 6  # in a row without a single new byte
WAIT_S = 1.0  # before the second try; doubled each time
NO_HEAD = (405, 501)
GONE = (400, 401, 403, 404, 410)  # asking again does not help


@dataclass(frozen=True)
class Remote:
    """What a server says of a file: its size, None where it does not say; its date or ETag as a mark, None likewise."""

    url: str
    bytes: int | None
    mark: str | None


def ask(url: str, timeout_s: float = TIMEOUT_S) -> Remote:
    """Size and mark of a file, without its content. Raises DataError where there is no such file or no answer."""
    try:
        try:
            answer = opened(url, {}, timeout_s, method="HEAD")
        except urllib.error.HTTPError as error:
            if error.code not in NO_HEAD:
                raise
            answer = opened(url, {}, timeout_s)  # closed before its content is read
        with answer:
            length = answer.headers.get("Content-Length", "")
            return Remote(url, int(length) if length.isdecimal() else None, mark_of(answer.headers))
    except urllib.error.HTTPError as error:
        raise DataError(f"{url} answers {error.code} ({error.reason}); the address may have changed") from error
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{url} cannot be reached ({reason(error)}); check the connection and try again") from error


def download(
    url: str, path: Path, progress: Callable[[int, int | None], None] = lambda done, total: None,
    *, timeout_s: float = TIMEOUT_S, wait_s: float = WAIT_S,
) -> Path:  # fmt: skip
    """Fetch `url` into `path`; goes on where an earlier call stopped. progress: told (bytes there, bytes in all).

    Raises DataError where the server fails for good, ResourceError where the disk does; FILE.part is kept for the next
    call in both cases.
    """
    part, note = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")
    remote = ask(url, timeout_s)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if remembered(note) != asdict(remote) or remote.mark is None or remote.bytes is None:
            part.unlink(missing_ok=True)  # a part of something else, or of what may have changed meanwhile
        note.write_text(json.dumps(asdict(remote)), encoding="utf-8")
        failures = 0
        while not whole(part, remote):
            before = size(part)
            try:
                take(remote, part, progress, timeout_s)
                if remote.bytes is None:
                    break  # nothing to compare with: unpacking tells whether it was all
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, urllib.error.HTTPError) and error.code in GONE:
                    raise DataError(f"{url} answers {error.code} ({error.reason}); try again later") from error
                if disk_is_full(error):
                    raise
                failures = 0 if size(part) > before else failures + 1
                if failures >= TRIES:
                    raise DataError(
                        f"{url} broke off {TRIES} times at {size(part):,} bytes ({reason(error)}); the same command "
                        "goes on from there"
                    ) from error
                time.sleep(wait_s * 2**failures if failures else 0)
        part.replace(path)
        note.unlink()
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written ({error.strerror}); make room or choose another --out, the same command goes on"
        ) from error
    return path


def take(remote: Remote, part: Path, progress: Callable[[int, int | None], None], timeout_s: float) -> None:
    """One request: what is missing of the part, or all of it where the server does not continue."""
    start = size(part)
    headers = {"Range": f"bytes={start}-", **({"If-Range": remote.mark} if remote.mark else {})} if start else {}
    with opened(remote.url, headers, timeout_s) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if mark_of(answer.headers) not in (None, remote.mark):
            raise DataError(f"{remote.url} changed while it was fetched; give the same command again to start anew")
        with part.open("ab" if goes_on else "wb") as file:
            done = start if goes_on else 0
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, remote.bytes)
                if remote.bytes is not None and done > remote.bytes:
                    raise too_long(remote, part)
    if remote.bytes is not None and size(part) < remote.bytes:
        raise http.client.IncompleteRead(b"", remote.bytes - size(part))


def whole(part: Path, remote: Remote) -> bool:
    if remote.bytes is None or not part.is_file():
        return False
    if size(part) > remote.bytes:
        raise too_long(remote, part)
    return size(part) == remote.bytes


def too_long(remote: Remote, part: Path) -> DataError:
    part.unlink(missing_ok=True)
    return DataError(
        f"{remote.url} sends more than the {remote.bytes:,} bytes it announced; what was fetched was removed, try again"
    )


def opened(url: str, headers: dict[str, str], timeout_s: float, method: str = "GET") -> Any:
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url} is not an address that can be fetched; it must begin with https:// or http://")
    headers = {"User-Agent": "mrg-llm", "Accept-Encoding": "identity", **headers}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=timeout_s)


def mark_of(headers: Any) -> str | None:
    """The date, else a strong ETag: what If-Range may hold. Machines behind one name often have ETags of their own."""
    etag = headers.get("ETag")
    return headers.get("Last-Modified") or (etag if etag and not etag.startswith("W/") else None)


def remembered(note: Path) -> Any:
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def disk_is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (28, 122, 27, 30, 13)  # ENOSPC EDQUOT EFBIG EROFS EACCES


def reason(error: BaseException) -> str:
    """A word or two: of a URLError what lies under it."""
    inner = getattr(error, "reason", None)
    return str(inner) if isinstance(inner, str) else type(inner or error).__name__
