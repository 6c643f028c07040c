"""Is every byte of a pack as it was written?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from mrg_llm.studies.pack.layout import INDEX, load_manifest, shard_name


def damaged(pack: Path, progress: Callable[[int], None] = lambda done: None) -> list[str]:
    """The names of files that are missing or whose SHA-256 is not the manifest's.

    progress: told how many files are looked at. Raises DataError for a folder that is no pack.
    """
    manifest = load_manifest(pack)
    expected = {shard_name(number): shard["sha256"] for number, shard in enumerate(manifest["shards"])}
    expected[INDEX] = manifest["index_sha256"]
    found = []
    for done, (name, sha256) in enumerate(expected.items(), start=1):
        if sha256_of(pack / name) != sha256:
            found.append(name)
        progress(done)
    return found


def sha256_of(path: Path) -> str | None:
    """None for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
