"""Images that lie inside a table (Parquet, Hugging Face data sets) -> files beside it, each written once.

TABLE.films/<first 32 digits of the SHA-256 of the bytes>.png .jpg .dcm .film    the bytes as they were, not decoded
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from mrg_llm.errors import ResourceError
from mrg_llm.files import write_whole

DIGITS = 32


def films_folder(table: Path) -> Path:
    """Where the images of a table go: study.parquet -> study.parquet.films/."""
    return table.with_name(f"{table.resolve().name}.films")


def film_file(folder: Path, content: bytes) -> Path:
    """The file that holds these bytes; written if it is not there, whole or not at all. Raises ResourceError."""
    path = folder / f"{hashlib.sha256(content).hexdigest()[:DIGITS]}{suffix(content)}"
    if path.is_file() and path.stat().st_size == len(content):
        return path
    try:
        folder.mkdir(exist_ok=True)
        # Not durable: there are thousands, and one that a power cut emptied has another size and is written again.
        write_whole(path, content, durable=False, shared=True, mode=0o644)
    except OSError as error:
        raise ResourceError(
            f"the images inside the table cannot be written to {folder} ({error.strerror}); copy the table to a folder "
            "that can be written"
        ) from error
    return path


def suffix(content: bytes) -> str:
    """For people: films are told apart by their first bytes, never by their names."""
    if content[:4] == b"\x89PNG":
        return ".png"
    if content[:3] == b"\xff\xd8\xff":
        return ".jpg"
    return ".dcm" if content[128:132] == b"DICM" else ".film"
