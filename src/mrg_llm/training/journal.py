"""What a run tells: journal.jsonl (the record), the trackers' scalars, and a progress bar for the person who waits."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mrg_llm.files import write_whole

FILE = "journal.jsonl"
PACKAGES = ("torch", "transformers", "accelerate", "numpy", "pillow", "pydicom")


class Journal:
    """One JSON object a line; opened for appending, cut back to a checkpoint's step when a run is resumed.

    Of several processes one writes; `silent` is for the others.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], resume_at: int | None, silent: bool = False):
        self.path = Path(os.devnull) if silent else path
        if not silent:
            cut_back(path, header, resume_at)
        self.stream = self.path.open("a")

    def write(self, **values: Any) -> None:
        self.stream.write(json.dumps(values) + "\n")
        self.stream.flush()

    def close(self) -> None:
        self.stream.close()


def cut_back(path: Path, header: Mapping[str, Any], resume_at: int | None) -> None:
    """The journal up to a step, with the header of what begins now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [] if resume_at is None or not path.exists() else lines_until(path, resume_at)
    kept.append(json.dumps({"event": "start" if resume_at is None else "resume", **header}))
    write_whole(path, "".join(line + "\n" for line in kept).encode())


def lines_until(path: Path, step: int) -> list[str]:
    """Lines of the journal up to a step; a line cut by a crash is dropped."""
    kept = []
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("step", 0) <= step:
            kept.append(line)
    return kept


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """What a journal says, line by line; nothing where there is none yet. A line cut by a crash is dropped."""
    for line in path.read_text().splitlines() if path.is_file() else ():
        with suppress(ValueError):
            yield json.loads(line)


def ended(run: Path) -> bool:
    """Whether the training in this folder came to its end."""
    return any(entry.get("event") == "end" for entry in entries(run / FILE))


def versions() -> dict[str, str]:
    """What the numbers were made with."""
    found = {"python": platform.python_version(), "processors": str(os.cpu_count())}
    for package in ("mrg-llm", *PACKAGES):
        try:
            found[package] = version(package)
        except Exception:  # a source tree that was never installed has no version
            found[package] = "not installed"
    return found


class TrainingBar:
    """Stage, loss, tokens a second and time left, on standard error; silent where nobody looks."""

    def __init__(self, total: int, done: int, console: Console | None):
        self.progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:<7}{task.fields[rate]:>6} tokens/s"),
            TimeRemainingColumn(compact=True),
            console=console or Console(stderr=True, quiet=True),
            transient=False,
        )
        self.task = self.progress.add_task("starting", total=total, completed=done, loss="", rate="")
        self.tokens, self.since = 0, time.perf_counter()

    def __enter__(self) -> TrainingBar:
        self.progress.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.progress.stop()

    def step(self, stage: str, loss: float, tokens: int) -> None:
        self.tokens += tokens
        rate = f"{self.tokens / max(1e-9, time.perf_counter() - self.since):.0f}"
        self.progress.update(self.task, advance=1, description=stage, loss=f"{loss:.3f}", rate=rate)

    def say(self, text: str) -> None:
        self.progress.console.print(text, highlight=False)
