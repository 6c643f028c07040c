"""What there is to do: every cell, how far it is, and how long it will take as far as finished ones tell."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mrg_llm.errors import StoppedError
from mrg_llm.experiment.cells import Cell
from mrg_llm.experiment.plan import Arm, Planned
from mrg_llm.training.journal import entries

TIMES = "times.jsonl"


def print_plan(planned: Planned, cells: Sequence[Cell], out: Path, test: bool, console: Console) -> None:
    """A row a cell, and what is left in all. test: whether the test split comes after."""
    seconds = seconds_of(out)
    finished: dict[str, list[float]] = {}
    for cell in cells:
        if cell.done("val") and cell.name in seconds:
            finished.setdefault(cell.arm.name, []).append(seconds[cell.name])
    everything = [s for arm, own in finished.items() for s in own if not planned.experiment.named(arm).of]
    table = Table(title=f"{planned.experiment.name}: {planned.experiment.what}", title_justify="left")
    for heading in ("cell", "settings", "starts from", "state", "minutes"):
        table.add_column(heading, justify="right" if heading == "minutes" else "left")
    left, unknown = 0.0, 0
    for cell in cells:
        own, state = finished.get(cell.arm.name, [] if cell.arm.of else everything), cell.state()
        estimate = sum(own) / len(own) if own else None
        if state != "done":
            left, unknown = left + (estimate or 0.0), unknown + (estimate is None)
        took = seconds.get(cell.name) if state == "done" else estimate
        table.add_row(
            cell.name, described(planned, cell.arm), start_of(planned, cell), state, f"{took / 60:.1f}" if took else "?"
        )
    console.print(table)
    more = f", and {unknown} cells of unknown length" if unknown else ""
    console.print(f"to go: about {left / 60:.0f} minutes by what finished cells took{more}", highlight=False)
    if test:
        unwritten = sum(not cell.done("test") for cell in cells)
        console.print(f"then test, once: {unwritten} of {len(cells)} cells to write, and all to score", highlight=False)


def start_of(planned: Planned, cell: Cell) -> str:
    if cell.arm.of:
        return ""
    if planned.waits_for(cell.arm):
        return "?"
    return f"aligned-{cell.start}" if cell.start else "nothing"


def described(planned: Planned, arm: Arm) -> str:
    """What an arm is, in the settings' own words."""
    if arm.of:
        return f"{arm.of} with {arm.shown.replace('-', ' ')}"
    chosen = dict(planned.chosen).get(arm.name)
    best = [chosen or f"best {arm.best} of {', '.join(arm.among)}"] if arm.best else []
    own = [change.removeprefix("model.") for change in arm.set]
    return "; ".join([*best, *own, *(["not aligned"] if arm.aligned is False else [])])


@contextmanager
def timed(out: Path, name: str) -> Iterator[None]:
    """Adds the seconds of this stretch of work on a cell to OUT/times.jsonl; Ctrl-C says that the command goes on."""
    begun = time.perf_counter()
    try:
        yield
    except KeyboardInterrupt as stop:
        raise StoppedError(f"stopped in {name}; the same command goes on") from stop
    finally:
        out.mkdir(parents=True, exist_ok=True)
        with (out / TIMES).open("a") as file:
            file.write(json.dumps({"cell": name, "seconds": round(time.perf_counter() - begun, 1)}) + "\n")


def seconds_of(out: Path) -> dict[str, float]:
    """Cell -> seconds of all stretches of work on it."""
    total: dict[str, float] = {}
    for entry in entries(out / TIMES):
        total[entry["cell"]] = total.get(entry["cell"], 0.0) + entry["seconds"]
    return total
