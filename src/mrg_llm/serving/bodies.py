"""A request's body -> the films of one study: read within limits of bytes and time, and told apart by first bytes.

    film | zip of films | multipart of films and zips   ->   Asked

Neither file names nor the types that a client claims are believed. Nothing is written to disk, nothing is decoded.
"""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from mrg_llm.errors import ImageError
from mrg_llm.images.gathering import NOT_IMAGES
from mrg_llm.images.heads import PEEK_BYTES, dicom_head
from mrg_llm.images.limits import MAX_BYTES, MAX_FILES
from mrg_llm.images.sniff import HEAD_BYTES, sniff
from mrg_llm.serving.engine import Asked
from mrg_llm.serving.queue import Place
from mrg_llm.serving.refusals import Refusal

ZIP = b"PK\x03\x04"
BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;",]{1,70}))', re.IGNORECASE)
NAME = re.compile(r'(?<![\w*])name="([^"]{0,64})"')
MOST_PARTS = 64
PART_HEAD_BYTES = 4096
FIELD_BYTES = 65_536  # of an indication or a prior report
FIELDS = ("indication", "prior", "anyway")
TRUE = ("true", "1", "yes", "on")


@dataclass(frozen=True)
class Limits:
    """bytes: of a body, also unpacked. films: of a study. idle_s: without a byte; body_s: for all of it."""

    bytes: int = MAX_BYTES
    films: int = 8
    idle_s: float = 15.0
    body_s: float = 120.0


async def read_body(chunks: AsyncIterator[bytes], headers: Mapping[str, str], limits: Limits, place: Place) -> bytes:
    """A body, refused while it is read: 413 for more than the limit, 408 for a client that is too slow."""
    claimed = headers.get("content-length", "0")
    if claimed.isdigit() and int(claimed) > limits.bytes:
        raise too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            while True:
                chunk = await asyncio.wait_for(anext(chunks, None), limits.idle_s)
                if chunk is None:
                    return bytes(body)
                if len(body) + len(chunk) > limits.bytes:
                    raise too_large(limits)
                place.hold(len(chunk))
                body += chunk
    except TimeoutError:
        raise Refusal(408, "slow_client", "the body did not arrive in time; send it at once") from None


def too_large(limits: Limits) -> Refusal:
    return Refusal(413, "too_large", f"a study may have {limits.bytes:,} bytes, packed or unpacked; give the films of "
                   "one study")  # fmt: skip


def asked_of(body: bytes, content_type: str, said: Mapping[str, str], limits: Limits) -> Asked:
    """The study in a body. said: what the query says of FIELDS; a multipart's own fields come first. Raises Refusal."""
    fields = dict(said)
    if body.startswith(ZIP):
        films = list(unzipped(body, limits.bytes, limits))
    elif content_type.lower().startswith("multipart/") and not is_film(body):
        films = []
        for name, content in parts(body, content_type):
            if name in FIELDS:
                fields[name] = text_of(content)
            elif content.startswith(ZIP):
                films += unzipped(content, limits.bytes - sum(map(len, films)), limits)
            else:
                films.append(content)
    else:
        films = [body]
        if not is_film(body):
            raise unsupported(body)
    return study_of(films, fields, limits)


def study_of(films: list[bytes], fields: Mapping[str, str], limits: Limits) -> Asked:
    """Films and what was said with them, checked. Raises Refusal."""
    if not films:
        raise Refusal(422, "not_a_film", "there is no film in it; send DICOM, PNG or JPEG files")
    if len(films) > limits.films:
        raise Refusal(422, "too_many_films", f"a study may have {limits.films} films; send those of one study")
    for number, film in enumerate(films, start=1):
        if not is_film(film):
            raise Refusal(422, "not_a_film", f"film {number} is no DICOM, PNG or JPEG; leave it out")
    return Asked(
        tuple(films), fields.get("indication") or None, fields.get("prior") or None,
        str(fields.get("anyway", "")).lower() in TRUE,
    )  # fmt: skip


def is_film(data: bytes) -> bool:
    try:
        sniff(data[:HEAD_BYTES])
    except ImageError:
        return False
    return True


def unsupported(body: bytes) -> Refusal:
    try:
        sniff(body[:HEAD_BYTES])
    except ImageError as error:
        return Refusal(415, "unsupported_media_type", f"{error}, a zip of them, or multipart")
    return Refusal(415, "unsupported_media_type", "a film was expected")


def text_of(content: bytes) -> str:
    if len(content) > FIELD_BYTES:
        raise Refusal(413, "too_large", f"a text may have {FIELD_BYTES:,} bytes; send what concerns this study")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(400, "bad_request", "a text field is not UTF-8; send it so") from None


def unzipped(data: bytes, most: int, limits: Limits) -> Iterator[bytes]:
    """The films in a zip, in the order of their names; what is none is passed over. Raises Refusal."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
            if len(members) > MAX_FILES:
                raise Refusal(422, "damaged_zip", f"the zip holds more than {MAX_FILES:,} files; zip one study's films")
            for member in members:
                with archive.open(member) as file:
                    content = file.read(most + 1)
                if len(content) > most:
                    raise too_large(limits)
                if is_film(content) and dicom_head(content[:PEEK_BYTES]).modality not in NOT_IMAGES:
                    most -= len(content)
                    yield content
    except (Refusal, GeneratorExit):
        raise
    except Exception as error:  # zipfile raises a dozen kinds for damage, passwords and methods it does not know
        kind = type(error).__name__
        raise Refusal(422, "damaged_zip", f"the zip is damaged, encrypted or unknown ({kind}); zip it anew") from None


def parts(body: bytes, content_type: str) -> Iterator[tuple[str | None, bytes]]:
    """Name and content of each part of a multipart body (RFC 2046); those with nothing in them are left out. Raises
    Refusal."""
    found = BOUNDARY.search(content_type)
    if not found:
        raise malformed("it names no boundary")
    mark = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    if body.startswith(mark):
        start = len(mark)
    else:
        start = body.find(b"\r\n" + mark) + 2 + len(mark)
        if start < 2 + len(mark):
            raise malformed("its boundary is not in it")
    for _ in range(MOST_PARTS):
        if body.startswith(b"--", start):
            return
        line = body.find(b"\r\n", start, start + 256)
        if line < 0 or body[start:line].strip(b" \t"):
            raise malformed("a boundary does not end its line")
        end = body.find(b"\r\n" + mark, line)
        if end < 0:
            raise malformed("it ends before its last boundary")
        if body.startswith(b"\r\n", line + 2):  # a part without headers
            head, content = b"", body[line + 4 : end]
        else:
            gap = body.find(b"\r\n\r\n", line, min(line + PART_HEAD_BYTES, end))
            if gap < 0:
                raise malformed("a part has no end to its headers")
            head, content = body[line + 2 : gap], body[gap + 4 : end]
        name = NAME.search(head.decode("latin-1"))
        if b"content-transfer-encoding: base64" in head.lower():
            raise malformed("a part is in base64, and bytes are expected")
        if content:
            yield (name[1] if name else None), content
        start = end + 2 + len(mark)
    raise malformed(f"it has more than {MOST_PARTS} parts")


def malformed(why: str) -> Refusal:
    return Refusal(400, "bad_request", f"the multipart body cannot be read: {why}; send multipart/form-data with a "
                   "file a film")  # fmt: skip
