"""mrg data: what a data set holds; what is wrong with it; get, import or draw one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mrg_llm.cli.options import SplitBy, open_data
from mrg_llm.progress import counting_bar, stages_bar

app = typer.Typer(no_args_is_help=True, help="What a data set holds; what is wrong with it; get, import or draw one.")


@app.command("phantom")
def data_phantom(
    out: Annotated[Path, typer.Option("--out", help="the folder to write")] = Path("phantoms"),
    studies: Annotated[int, typer.Option(help="how many")] = 500,
    seed: Annotated[int, typer.Option(help="the same seed draws the same studies")] = 0,
    side_px: Annotated[int, typer.Option(help="pixels a side", min=32, max=2048)] = 256,
) -> None:
    """Draw chest films with known findings, and write their reports. No patient is in them."""
    from rich.console import Console

    from mrg_llm.studies.phantom import write_phantoms

    with counting_bar("drawing", studies, Console(stderr=True)) as advance:
        manifest = write_phantoms(
            out, studies, seed, side_px, progress=lambda done, total: advance(done), processes=os.cpu_count() or 1
        )
    typer.echo(f"{studies} studies, true findings in {manifest}. Next: mrg train --data phantom:{out}")


@app.command("info")
def data_info(data: Annotated[str, typer.Argument(help="KIND:ROOT")], split_by: SplitBy = None) -> None:
    """What a data set holds: studies, views and reports, and what its reader left out. Opens no film."""
    from mrg_llm.studies.check import describe

    typer.echo(describe(open_data(data, split_by=split_by)))


@app.command("init")
def data_init(
    out: Annotated[Path, typer.Option("--out", help="the table to write, .csv or .jsonl, in a folder of its own")],
) -> None:
    """Write an example table of studies with its films, and a README that says what every column means."""
    from mrg_llm.studies.example import write_example

    table = write_example(out)
    typer.echo(
        f"{table}: three studies; {table.with_name('README.md')}: the columns. Next: mrg data info table:{table}"
    )


@app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="iu-xray")],
    out: Annotated[Path, typer.Option("--out", help="the folder to fetch into; give it as iu-xray:FOLDER then")],
    films: Annotated[str, typer.Option(help="png (1.4 GB), dicom (81 GB) or both")] = "png",
    base: Annotated[str, typer.Option("--from", help="another server that has the same archives")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be fetched and how large it is")] = False,
) -> None:
    """Download a public data set, resuming whatever broke off, and unpack it. Its licence is said first."""
    from rich.console import Console

    from mrg_llm.errors import DataError
    from mrg_llm.studies import fetching

    if name != "iu-xray":
        raise DataError(f"{name} cannot be fetched; iu-xray can (MIMIC-CXR needs an account at PhysioNet)")
    typer.echo(fetching.LICENCE)
    if dry_run:
        for line in fetching.plan(out, films, base or fetching.BASE):
            typer.echo(line)
        return
    with stages_bar(Console(stderr=True)) as told:
        said = fetching.fetch_iu_xray(out, films, base or fetching.BASE, told)
    typer.echo("\n".join([*said, f"Next: mrg data info iu-xray:{out}"]))


@app.command("import")
def data_import(
    annotation: Annotated[Path, typer.Argument(help="annotation file of R2Gen, R2GenGPT or PromptMRG")],
    images: Annotated[Path, typer.Option(help="the folder its film paths are relative to")],
    out: Annotated[Path, typer.Option("--out", help="the table to write, .jsonl")] = Path("studies.jsonl"),
    merge: Annotated[bool, typer.Option("--merge", help="rows that share a study_id become one study")] = False,
    split: Annotated[str | None, typer.Option(help="for a file without splits: train, val or test")] = None,
) -> None:
    """Turn another project's annotation file into a table, with counts of what was kept and what is missing."""
    from rich.console import Console

    from mrg_llm.studies.importing import import_annotation

    with counting_bar("rows", None, Console(stderr=True)) as advance:
        found = import_annotation(annotation, images, out, merge=merge, split=split, progress=advance)
    typer.echo(found)
    typer.echo(f"Next: mrg data check table:{out}")


@app.command("pack")
def data_pack(
    data: Annotated[str, typer.Argument(help="KIND:ROOT")],
    out: Annotated[Path, typer.Option("--out", help="the folder to write; give it as pack:FOLDER then")] = Path("pack"),
    side_px: Annotated[int, typer.Option(help="pixels a side: the model's (model.vision.side_px) or more")] = 256,
    fit: Annotated[str, typer.Option(help="squash, or pad to keep the aspect ratio (model.vision.fit)")] = "squash",
    workers: Annotated[int, typer.Option(help="films decoded at the same time", min=1)] = 2,
    split_by: SplitBy = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say how many films and bytes it would be")] = False,
) -> None:
    """Decode every film once, into a folder that training reads as fast as the disk. The same command goes on where it
    was stopped."""
    from rich.console import Console

    from mrg_llm import packing
    from mrg_llm.cli.options import noted
    from mrg_llm.errors import StoppedError
    from mrg_llm.studies import read_studies

    studies = noted(read_studies(data, split_by))
    recipe = packing.Recipe.of(studies, side_px, fit)
    plan = packing.plan(out, studies, recipe)
    typer.echo(plan)
    if dry_run:
        return
    try:
        with counting_bar("packing", plan.views, Console(stderr=True), "films", plan.done) as advance:
            packed = packing.pack(out, studies, recipe, workers, advance)
    except KeyboardInterrupt:
        raise StoppedError("stopped; the same command goes on where it was") from None
    typer.echo(f"{out}: {packed.films:,} films of {packed.studies:,} studies in {len(packed.shards):,} shards")
    if packed.unreadable:
        typer.echo(f"films that cannot be read: {packed.unreadable:,}; mrg data check pack:{out} names them")
    typer.echo(f"Next: mrg train --data pack:{out}")


@app.command("check")
def data_check(
    data: Annotated[str, typer.Argument(help="KIND:ROOT")],
    split_by: SplitBy = None,
    html: Annotated[Path | None, typer.Option("--html", help="a page with histograms and films")] = None,
    rows: Annotated[Path | None, typer.Option("--json", help="the rows, for scripts")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="films at a time; as many as cores, at most 4")] = None,
    seed: Annotated[int, typer.Option(help="of the films drawn for the page")] = 0,
) -> None:
    """Open every film in a separate process and look for what would spoil a training; then the exit code is 2."""
    from rich.console import Console

    from mrg_llm.datacheck import check_data, refuse_unwritable, write_rows
    from mrg_llm.errors import DataError
    from mrg_llm.packing import refuse_damaged

    refuse_unwritable(html, rows)
    studies = open_data(data, split_by=split_by)
    refuse_damaged(data)
    with counting_bar("films", sum(len(study.views) for study in studies), Console(stderr=True)) as advance:
        checked = check_data(studies, workers=workers, progress=advance)
    typer.echo(checked.found)
    if rows:
        write_rows(checked.found, rows)
    if html:
        from mrg_llm.datacheck.page import CARE, write_page

        typer.echo(f"page: {write_page(checked, html, seed)}. {CARE}", err=True)
    if not checked.found.ok:
        raise DataError(checked.found.verdict)
