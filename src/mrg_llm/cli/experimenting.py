"""mrg experiment: arms that differ in one thing, trained alike and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mrg_llm.cli.options import Changes, DataSpec, Out, SplitBy, listed, noted


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            help="claim, phantoms, a part of them (claim-main, claim-probe, claim-controls, phantoms-main), or a TOML "
            "file of yours"
        ),
    ],
    data: DataSpec,
    out: Out = Path("experiment"),
    split_by: SplitBy = None,
    only: Annotated[list[str] | None, typer.Option(help="this arm alone; several can be given")] = None,
    seeds: Annotated[str, typer.Option(help="these of the experiment's seeds, with commas")] = "",
    changes: Changes = None,
    limit: Annotated[int, typer.Option(help="write and score the first N validation studies only; 0: all", min=0)] = 0,
    test: Annotated[
        bool, typer.Option("--test", help="score the test split too: once, when every cell is done, and recorded")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what is done, what is left and how long it takes, and stop")
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(help="stored figures, a NAME.json of then: say which figures differ from it; then exit code 1"),
    ] = None,
    meteor: Annotated[bool, typer.Option(help="METEOR, where there is Java")] = True,
    draws: Annotated[int, typer.Option(help="of the bootstrap and of the paired tests", min=1)] = 1000,
) -> None:
    """Train, write and score every arm of an experiment with every seed, and test whether they differ.

    Stop it at any time: the same command goes on, and leaves out what is done. Out come NAME.json, NAME.md and
    a plot of all cells that are done in the folder.
    """
    from rich.console import Console

    from mrg_llm.errors import SettingsError
    from mrg_llm.experiment import (
        Asked,
        differing,
        identity,
        load_experiment,
        read_results,
        refuse_other_experiment,
        run_experiment,
    )
    from mrg_llm.studies import open_studies

    if not all(seed.isdecimal() for seed in listed(seeds)):
        raise SettingsError(f"--seeds {seeds} was given, but must be numbers with commas, for example 0,1")
    asked = Asked(out, only or (), tuple(map(int, listed(seeds))), limit, test, dry_run, meteor, draws)
    planned = load_experiment(name, changes or [])
    stored = read_results(compare) if compare else None  # before hours are spent, and before it can be written anew
    told = planned.reading
    studies = noted(open_studies(data, split_by=split_by, sections=told.sections, deidentified=told.deidentified))
    if stored:
        refuse_other_experiment(planned.experiment.name, identity(studies), stored, str(compare))
    console = Console(stderr=True)
    found = run_experiment(planned, studies, asked, console)
    if found is None:
        return
    typer.echo(f"figures: {found}; tables: {found.with_suffix('.md')}")
    if stored and differing(read_results(found), stored, str(compare), console):
        raise typer.Exit(1)
