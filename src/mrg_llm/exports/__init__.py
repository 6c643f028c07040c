"""A draft report -> the bytes of a file: `render(draft, "markdown")`, `save(data, path)`.

No format holds anything of the patient; every format says that it is a draft for research only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from mrg_llm.errors import ResourceError, SettingsError
from mrg_llm.exports.draft import DraftReport
from mrg_llm.exports.plain import as_json, as_markdown, as_text

__all__ = ["FORMATS", "DraftReport", "check_format", "render", "save"]

FORMATS: dict[str, Callable[[DraftReport], bytes]] = {"text": as_text, "json": as_json, "markdown": as_markdown}


def check_format(name: str) -> None:
    """Raises SettingsError for a format that does not exist; called before a model is loaded."""
    if name not in FORMATS:
        raise SettingsError(f"{name} is not a format; give one of {', '.join(FORMATS)}")


def render(draft: DraftReport, format: str) -> bytes:
    """UTF-8 bytes of the draft. Raises SettingsError for an unknown format."""
    check_format(format)
    return FORMATS[format](draft)


def save(data: bytes, path: Path) -> None:
    """Write a file whole or not at all. Raises ResourceError where the path cannot be written."""
    aside = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            aside = file.name
            file.write(data)
        os.replace(aside, path)
    except OSError as error:
        if aside:
            Path(aside).unlink(missing_ok=True)
        raise ResourceError(f"{path} cannot be written ({type(error).__name__}); give --out a file in a folder "
                            "that exists and is yours to write") from None  # fmt: skip
