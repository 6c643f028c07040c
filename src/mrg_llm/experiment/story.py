"""The experiment, cell by cell: what is done is left out, what was stopped goes on, and in the end the figures of all
cells that are done are written. The test split is written and scored when everything else is done, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from mrg_llm.errors import InputError, ResourceError
from mrg_llm.experiment import results
from mrg_llm.experiment.asked import (
    Asked,
    all_cells,
    refuse_impossible,
    refuse_other_figures,
    refuse_unknown,
    wanted,
)
from mrg_llm.experiment.cells import Cell, train_cell, write_cell
from mrg_llm.experiment.figures import Judge
from mrg_llm.experiment.outlook import print_plan, timed
from mrg_llm.experiment.plan import Planned
from mrg_llm.experiment.plots import write_plots
from mrg_llm.experiment.ranking import choose, decidable, with_chosen
from mrg_llm.experiment.tables import written
from mrg_llm.files import locked
from mrg_llm.scoring import Training
from mrg_llm.scoring.protocol import protocol
from mrg_llm.scoring.scorer import started_meteor
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.training.checkpoint import write_file
from mrg_llm.training.journal import versions


def run_experiment(planned: Planned, studies: StudySet, asked: Asked, console: Console) -> Path | None:
    """Do what is not done yet; returns NAME.json, None for a dry run.

    Raises InputError for what the user can mend, StoppedError after Ctrl-C: the same command goes on.
    """
    planned = with_chosen(planned, asked.out)
    refuse_unknown(planned, asked)
    refuse_impossible(planned, asked)
    if asked.dry_run:
        print_plan(planned, wanted(planned, asked), asked.out, asked.test, console)
        return None
    return walk(planned, studies, asked, console)


def walk(planned: Planned, studies: StudySet, asked: Asked, console: Console) -> Path:
    """All cells that were asked for, the test split if it was, and the figures."""
    from mrg_llm.training.preparation import Sharing

    val, sharing = with_report(studies, "val", asked.limit), Sharing()
    made(asked.out)
    refuse_other_figures(planned, studies, asked, val)

    def train_and_write(cell: Cell) -> None:
        train_cell(cell, planned, studies, sharing, console)
        write_cell(cell, "val", val, console)

    while True:
        work(planned, asked, "val", train_and_write, console)
        with locked(asked.out):
            planned = with_chosen(planned, asked.out)
            if not decidable(planned, asked.out):
                break
            with judging(planned, studies, val, asked, console) as (judge, _):
                planned = choose(planned, asked.out, judge)
    if asked.test:
        test_once(planned, studies, asked, console)
    with locked(asked.out):
        return conclude(planned, studies, asked, val, console)


def made(out: Path) -> None:
    """The folder. Raises ResourceError where it cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{out} cannot be a folder ({error.strerror}); choose another --out") from error


def work(planned: Planned, asked: Asked, split: str, do: Callable[[Cell], None], console: Console) -> None:
    """Do what can be done of the cells that were asked for and no other process is at."""
    while True:
        left = [c for c in wanted(planned, asked) if not c.done(split) and not planned.waits_for(c.arm) and c.possible]
        if not any(done_now(cell, split, do, len(left), asked, console) for cell in left):
            return


def done_now(cell: Cell, split: str, do: Callable[[Cell], None], left: int, asked: Asked, console: Console) -> bool:
    """Do one cell; False where another process has it, or has done it meanwhile. It is had by its folder's lock."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    with locked(cell.folder, wait=False) as free:
        if not free or cell.done(split):
            return False
        console.print(f"[bold]{cell.name}[/] ({cell.state()}; {left} to go)", highlight=False)
        with timed(asked.out, cell.name):
            do(cell)
        return True


def with_report(studies: StudySet, split: str, limit: int) -> list[Study]:
    """The split's studies that can be scored. Raises InputError where there is none."""
    found = [study for study in studies.split(split) if (study.report or "").strip()]
    if not found:
        raise InputError(f"{studies.source} has no {split} study with a report; arms are compared on those")
    return found[: limit or None]


def conclude(planned: Planned, studies: StudySet, asked: Asked, val: Sequence[Study], console: Console) -> Path:
    """NAME.json, NAME.md and the plot of all cells that are done, whoever did them."""
    everything = all_cells(planned, asked.out)
    cells = [cell for cell in everything if cell.done("val")]
    if not cells:
        raise InputError("no cell is done yet, so there is nothing to compare; --dry-run says what there is to do")
    found: dict[str, Any] = {
        "experiment": planned.experiment.name, "what": planned.experiment.what,
        "preset": planned.experiment.preset, "changes": list(planned.changes),
        "references": list(planned.experiment.references), "protocols": list(planned.experiment.protocols),
        "missing": [cell.name for cell in everything if not cell.done("val")],
        "data": results.identity(studies),
        "versions": versions(), "trained": results.trained(planned, cells),
        "val": split_scored(planned, studies, asked, cells, "val", val, console),
    }  # fmt: skip
    if tested(planned, asked).is_file():
        found["test"] = json.loads(tested(planned, asked).read_text())
    path = asked.out / f"{planned.experiment.name}.json"
    results.write_json(path, found)
    found = json.loads(path.read_text())
    write_plots(found, asked.out)
    write_file(path.with_suffix(".md"), written(found).encode())
    return path


def test_once(planned: Planned, studies: StudySet, asked: Asked, console: Console) -> None:
    """Write and score the test split, when nothing is left to decide. A second time nothing happens."""
    path = tested(planned, asked)
    if path.is_file():
        console.print(f"the test split was scored before; its figures are in {path}, and stay", highlight=False)
        return
    cells = all_cells(planned, asked.out)
    if missing := [cell.name for cell in cells if not cell.done("val")]:  # another process is at them, or they wait
        console.print(
            f"the test split is scored once, when everything else is done; {len(missing)} cells are not ({missing[0]})",
            highlight=False,
        )
        return
    test = with_report(studies, "test", 0)
    work(planned, asked, "test", lambda cell: write_cell(cell, "test", test, console), console)
    with locked(asked.out):
        left = [cell.name for cell in cells if not cell.done("test")]
        if left:  # to other processes, or to a call without --only and --seeds
            console.print(
                f"test is scored when all of it is written; {len(left)} cells are not ({left[0]})", highlight=False
            )
        elif not path.is_file():
            results.write_json(path, split_scored(planned, studies, asked, cells, "test", test, console))


def tested(planned: Planned, asked: Asked) -> Path:
    """The test figures of this experiment: others can share its folder and cells."""
    return asked.out / f"{planned.experiment.name}-test.json"


def split_scored(
    planned: Planned, studies: StudySet, asked: Asked, cells: Sequence[Cell], split: str, own: Sequence[Study],
    console: Console,
) -> dict[str, Any]:  # fmt: skip
    training = [study for study in studies.split("train") if study.report]
    nearest = results.likest_films(asked.out, split, own, training, console)
    with judging(planned, studies, own, asked, console) as (judge, say):
        return results.scored(planned, cells, split, judge, nearest, say)


@contextmanager
def judging(
    planned: Planned, studies: StudySet, own: Sequence[Study], asked: Asked, console: Console
) -> Iterator[tuple[Judge, results.Say]]:
    """What scores reports of these studies, and what tells the person who waits."""
    from mrg_llm.scored import token_cut

    names = planned.experiment.protocols
    language = planned.settings(planned.trained[0], planned.experiment.seeds[0]).model.language
    cut = token_cut(language.source) if any(protocol(name).reference_tokens for name in names) else None
    jar, _ = started_meteor(asked.meteor)
    try:
        with console.status("scoring") as status:
            yield Judge(own, Training.of(studies), names, cut, jar, asked.draws), status.update
    finally:
        if jar is not None:
            jar.close()
