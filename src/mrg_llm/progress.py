"""Progress bars: one for what counts to a number, and one for work of several parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting_bar(title: str, total: int | None, console) -> Iterator[Callable[[int], None]]:
    """A context that gives a function (done) -> None moving a bar on the rich console; it goes away when done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def stages_bar(console) -> Iterator[Callable[[str, int, int | None], None]]:
    """A context that gives a function (what, done, all or None) -> None: a bar for each thing that is done."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    done_column = TextColumn("{task.completed:,}")
    tasks: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}"), BarColumn(), done_column, TimeRemainingColumn(), console=console
    ) as progress:

        def told(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield told
