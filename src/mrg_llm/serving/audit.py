"""Who asked for what, when, and what came of it: one JSON line a request, and nothing of a patient or a report."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from mrg_llm.errors import ResourceError


class AuditFile:
    """Appends to a file that only its owner may read. `write` raises OSError where the disk does not take the line."""

    def __init__(self, path: Path):
        try:
            self.handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ResourceError(
                f"--audit {path} cannot be written ({type(error).__name__}); give a file in a folder of yours"
            ) from None

    def write(self, *, request: str, key: str | None, route: str, status: int, films: int, seconds: float) -> None:
        """route: as the API names it, with its parameters' names in place of their values."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "request": request, "key": key,
                "route": route, "status": status, "films": films, "seconds": round(seconds, 3)}  # fmt: skip
        data = (json.dumps(line) + "\n").encode()
        if os.write(self.handle, data) != len(data):
            raise OSError("the line was cut")

    def close(self) -> None:
        os.close(self.handle)
