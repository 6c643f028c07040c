"""The experiment, cell by cell: what is done is left out, what was stopped goes on, and in the end the figures of all
cells that are done are written. The test split is written and scored when everything else is done, once."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from mrg_llm.errors import InputError, SettingsError
from mrg_llm.experiment import results
from mrg_llm.experiment.cells import Cell, cells_of, train_cell, write_cell
from mrg_llm.experiment.figures import Judge
from mrg_llm.experiment.outlook import print_plan, timed
from mrg_llm.experiment.plan import Planned
from mrg_llm.experiment.plots import write_plots
from mrg_llm.experiment.ranking import choose, decidable, with_chosen
from mrg_llm.experiment.tables import written
from mrg_llm.files import locked
from mrg_llm.model.configuration import packages
from mrg_llm.scoring import Training
from mrg_llm.scoring.protocol import protocol
from mrg_llm.scoring.scorer import started_meteor
from mrg_llm.scoring.statistics import DRAWS
from mrg_llm.settings import refuse_clashes
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.training.checkpoint import write_file
from mrg_llm.training.journal import versions

RESULTS, TABLES, TESTED = "experiment.json", "tables.md", "test.json"


@dataclass(frozen=True)
class Asked:
    """only, seeds: these arms and seeds; all of the file's where empty. limit: the first N validation studies
    are written; 0: all. test: score the test split, whole and once. dry_run: say what there is to do, and stop."""

    out: Path
    only: Sequence[str] = ()
    seeds: Sequence[int] = ()
    limit: int = 0
    test: bool = False
    dry_run: bool = False
    meteor: bool = True
    draws: int = DRAWS


def run_experiment(planned: Planned, studies: StudySet, asked: Asked, console: Console) -> Path | None:
    """Do what is not done yet; returns experiment.json, None for a dry run.

    Raises InputError for what the user can mend, StoppedError after Ctrl-C: the same command goes on.
    """
    planned = with_chosen(planned, asked.out)
    refuse_missing(planned, asked)
    if asked.dry_run:
        print_plan(planned, wanted(planned, asked), asked.out, console)
        return None
    return walk(planned, studies, asked, console)


def walk(planned: Planned, studies: StudySet, asked: Asked, console: Console) -> Path:
    """All cells that were asked for, the test split if it was, and the figures."""
    from mrg_llm.training.preparation import Sharing

    val, sharing = with_report(studies, "val", asked.limit), Sharing()
    asked.out.mkdir(parents=True, exist_ok=True)

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


def wanted(planned: Planned, asked: Asked) -> list[Cell]:
    """The cells that were asked for, and those that a control is of."""
    names = {*asked.only, *(arm.of for arm in planned.experiment.arm if arm.name in asked.only and arm.of)}
    arms = [arm for arm in planned.experiment.arm if not asked.only or arm.name in names]
    return cells_of(planned, asked.out, asked.seeds or planned.experiment.seeds, arms)


def all_cells(planned: Planned, out: Path) -> list[Cell]:
    return cells_of(planned, out, planned.experiment.seeds, planned.experiment.arm)


def refuse_missing(planned: Planned, asked: Asked) -> None:
    """Before hours are spent: arms and seeds that are not there, settings that rule each other out, and a package that
    an arm will need."""
    names = [arm.name for arm in planned.experiment.arm]
    for name in asked.only:
        if name not in names:
            raise SettingsError(f"--only {name}: the experiment's arms are {', '.join(names)}")
    for seed in asked.seeds:
        if seed not in planned.experiment.seeds:
            known = ", ".join(map(str, planned.experiment.seeds))
            raise SettingsError(f"--seeds {seed}: the experiment's seeds are {known}")
    for arm in dict.fromkeys(cell.arm for cell in wanted(planned, asked) if not cell.arm.of and not cell.arm.best):
        settings = planned.settings(arm, planned.experiment.seeds[0])
        try:
            refuse_clashes(settings)
        except SettingsError as error:
            raise SettingsError(f"the arm {arm.name}: {error}; --only names the other arms") from error
        for package, extra in packages(settings.model):
            if importlib.util.find_spec(package) is None:
                raise SettingsError(
                    f"the arm {arm.name} needs {package}, which is not installed; pip install 'mrg-llm[{extra}]', "
                    "or name the other arms with --only"
                )


def with_report(studies: StudySet, split: str, limit: int) -> list[Study]:
    """The split's studies that can be scored. Raises InputError where there is none."""
    found = [study for study in studies.split(split) if (study.report or "").strip()]
    if not found:
        raise InputError(f"{studies.source} has no {split} study with a report; arms are compared on those")
    return found[: limit or None]


def conclude(planned: Planned, studies: StudySet, asked: Asked, val: Sequence[Study], console: Console) -> Path:
    """experiment.json, tables and plots of all cells that are done, whoever did them."""
    everything = all_cells(planned, asked.out)
    cells = [cell for cell in everything if cell.done("val")]
    if not cells:
        raise InputError("no cell is done yet, so there is nothing to compare; --dry-run says what there is to do")
    found: dict[str, Any] = {
        "experiment": planned.experiment.name, "what": planned.experiment.what,
        "preset": planned.experiment.preset, "changes": list(planned.changes),
        "references": list(planned.experiment.references), "protocols": list(planned.experiment.protocols),
        "missing": [cell.name for cell in everything if not cell.done("val")],
        "data": {"kind": studies.source.partition(":")[0], "sha256": studies.fingerprint,
                 **{split: len(studies.split(split)) for split in ("train", "val", "test")}},
        "versions": versions(), "trained": results.trained(planned, cells),
        "val": split_scored(planned, studies, asked, cells, "val", val, console),
    }  # fmt: skip
    if (asked.out / TESTED).is_file():
        found["test"] = json.loads((asked.out / TESTED).read_text())
    path = asked.out / RESULTS
    results.write_json(path, found)
    found = json.loads(path.read_text())
    write_plots(found, asked.out)
    write_file(asked.out / TABLES, written(found).encode())
    return path


def test_once(planned: Planned, studies: StudySet, asked: Asked, console: Console) -> None:
    """Write and score the test split, when nothing is left to decide. A second time nothing happens."""
    path = asked.out / TESTED
    if path.is_file():
        console.print(f"the test split was scored before; its figures are in {path}, and stay", highlight=False)
        return
    cells = all_cells(planned, asked.out)
    if missing := [cell.name for cell in cells if not cell.done("val")]:
        raise InputError(
            f"the test split is scored once, when everything else is done; {len(missing)} cells are not ({missing[0]})"
        )
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
