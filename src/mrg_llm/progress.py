"""Progress bars: one for what counts to a known number, one for several things done one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting_bar(
    title: str, total: int | None, console, unit: str | None = None, first: int = 0
) -> Iterator[Callable[[int], None]]:
    """A context that gives a function (done) -> None moving a bar on the rich console.

    unit: "films" shows how many a second. first: what was done before this bar, and says nothing about speed.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task) -> Text:
            return Text(f"{task.speed:,.0f} {unit}/s" if task.speed else "")

    columns = [TextColumn(title), BarColumn(), MofNCompleteColumn(), *([Rate()] if unit else []), TimeRemainingColumn()]
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total, completed=first)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def stages_bar(console) -> Iterator[Callable[[str, int, int | None], None]]:
    """A context that gives a function (what, done, all or None) -> None: a bar for each thing that is done."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,}"), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as progress:

        def told(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield told
