"""The command line: verbs of a few lines. Heavy imports happen inside them, so `--help` is quick.

Exit codes: 0 done; 2 the input is wrong (one sentence on standard error); 1 our own failure; 130 stopped by hand.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Chest X-ray reports from a frozen language model and prompts that every image customizes for itself.\n\n"
    "Start with [bold]mrg demo[/]. Research use only, not a medical device.",
)
data_app = typer.Typer(no_args_is_help=True, help="What a data set holds; what is wrong with it; draw phantom studies.")
app.add_typer(data_app, name="data")

DataSpec = Annotated[str, typer.Option("--data", help="KIND:ROOT, for example iu-xray:PATH or phantom:PATH")]
Out = Annotated[Path, typer.Option("--out", help="where the result goes")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a setting, for example train.lr=0.001")
]


@app.command()
def demo(
    out: Out = Path("demo"),
    studies: Annotated[int, typer.Option(help="phantom studies to draw")] = 700,
    seed: Annotated[int, typer.Option(help="of everything")] = 0,
) -> None:
    """The whole story on phantom studies: draw, align, customize, write, score. Minutes on two cores."""
    from mrg_llm.demo import run_demo

    page = run_demo(out, studies, seed)
    typer.echo(f"look at {page}")


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", help="the run folder to write")] = Path("run"),
    data: Annotated[str, typer.Option("--data", help="KIND:ROOT, for example iu-xray:PATH or phantom:PATH")] = "",
    preset: Annotated[str, typer.Option(help="a preset's name or a TOML file of yours")] = "iu-xray",
    changes: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the newest checkpoint in --out")] = False,
    start_from: Annotated[Path | None, typer.Option(help="a run whose trained weights this one starts with")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be trained, how much memory and time it takes, and stop")
    ] = False,
    settings: Annotated[bool, typer.Option("--settings", help="list every setting with its default, and stop")] = False,
) -> None:
    """Train encoder, projection and prompts; the language model stays frozen.

    Ctrl-C writes a checkpoint; the same command with --resume goes on.
    """
    from mrg_llm.settings import load_settings

    if settings:
        print_settings()
        return
    chosen = load_settings(preset, changes or [])
    studies = open_data(data)
    from rich.console import Console

    console = Console(stderr=True)
    if dry_run:
        from mrg_llm.training.plan import print_plan

        print_plan(chosen, studies, console)
        return
    from mrg_llm.training.loop import train as run_training

    run_training(chosen, studies, out, resume=resume, start_from=start_from, console=console)
    typer.echo(f"trained: {out}. Next: mrg generate --model {out} --data {data} --split val --out val.jsonl")


@app.command()
def generate(
    model: Annotated[Path, typer.Option("--model", help="a run folder")],
    data: DataSpec,
    out: Out = Path("predictions.jsonl"),
    split: Annotated[str, typer.Option(help="train, val or test")] = "val",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="decoding, for example beams=3")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32 (same text in any batch) or bf16")] = "fp32",
    limit: Annotated[int | None, typer.Option(help="only the first N studies")] = None,
) -> None:
    """Write a report for every study of a split into a predictions file that `mrg score` reads."""
    from rich.console import Console

    from mrg_llm import runs
    from mrg_llm.settings import changed_decoding

    studies = open_data(data).split(split)[:limit]
    reporter = runs.load(model, precision=precision)
    reporter.decode = changed_decoding(reporter.decode, changes or [])
    with counting_bar("writing reports", len(studies), Console(stderr=True)) as advance:
        runs.generate(reporter, studies, out, advance)
    typer.echo(f"{len(studies)} reports in {out}. Next: mrg score {out} --data {data}")


@app.command()
def score(
    predictions: Annotated[
        Path, typer.Argument(help="predictions.jsonl, or anyone's outputs as JSONL, JSON, CSV, text")
    ],
    references: Annotated[
        Path | None, typer.Option(help="references, where the predictions do not hold them (a line a report)")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="KIND:ROOT; its training split gives the baselines")
    ] = None,
    against: Annotated[list[Path] | None, typer.Option(help="other systems' outputs for the same studies")] = None,
    swapped: Annotated[
        Path | None, typer.Option(help="the same model's outputs for films swapped between studies")
    ] = None,
    blank: Annotated[Path | None, typer.Option(help="the same model's outputs for blank films")] = None,
    protocol: Annotated[
        str, typer.Option(help="full, as-is, r2gen-iu, r2gen-mimic, r2gengpt-iu or r2gengpt-mimic")
    ] = "full",
    out: Annotated[Path | None, typer.Option("--out", help="write scores.json here")] = None,
    html: Annotated[Path | None, typer.Option(help="write a self-contained page here (it holds report text)")] = None,
    nearest: Annotated[bool, typer.Option(help="the nearest training film's report as a baseline")] = True,
    meteor: Annotated[bool, typer.Option(help="METEOR, where there is Java")] = True,
    tokenizer: Annotated[str, typer.Option(help="the LLM whose tokens the r2gengpt protocols count")] = "smollm2-135m",
    draws: Annotated[int, typer.Option(help="bootstrap draws for the 95 % intervals")] = 1000,
    seed: Annotated[int, typer.Option(help="of the bootstrap and the random baseline")] = 0,
) -> None:
    """Score reports under a named protocol, with intervals, baselines and diagnostics."""
    from mrg_llm.scored import score_files

    score_files(predictions, references, data and open_data(data), against or [], {"swapped": swapped, "blank": blank},
                protocol, out, html, nearest, meteor, tokenizer, draws, seed)  # fmt: skip


@app.command()
def label(
    reports: Annotated[Path, typer.Argument(help='a JSONL file, {"id", "text"} a line')],
    out: Out = Path("labels.jsonl"),
) -> None:
    """The 14 CheXpert observations of any reports: 1 present, 0 absent, -1 uncertain, null not mentioned."""
    from mrg_llm.scoring.clinical import label_file

    typer.echo(f"{label_file(reports, out)} reports labelled in {out}")


@data_app.command("phantom")
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
        manifest = write_phantoms(out, studies, seed, side_px, progress=lambda done, total: advance(done))
    typer.echo(f"{studies} studies, true findings in {manifest}. Next: mrg train --data phantom:{out}")


@data_app.command("info")
def data_info(data: Annotated[str, typer.Argument(help="KIND:ROOT")]) -> None:
    """What a data set holds: studies, views and reports, and what its reader left out. Opens no film."""
    from mrg_llm.studies.check import describe

    typer.echo(describe(open_data(data)))


@data_app.command("check")
def data_check(data: Annotated[str, typer.Argument(help="KIND:ROOT")]) -> None:
    """Open every film in a separate process and look for what would spoil a training; then the exit code is 2."""
    from rich.console import Console

    from mrg_llm.errors import DataError
    from mrg_llm.images.sandbox import read_film_untrusted
    from mrg_llm.studies.check import check as check_studies

    studies = open_data(data)
    with counting_bar("studies", len(studies), Console(stderr=True)) as advance:
        found = check_studies(studies, read_film_untrusted, advance)
    typer.echo(found)
    if not found.ok:
        raise DataError(found.verdict)


@app.command()
def report(
    films: Annotated[list[Path], typer.Argument(help="the views of one study: DICOM, PNG or JPEG")],
    model: Annotated[Path, typer.Option("--model", help="a run folder")],
    format: Annotated[str, typer.Option("--format", help="text, json or markdown")] = "text",
    out: Annotated[Path | None, typer.Option("--out", help="write it here instead of printing it")] = None,
) -> None:
    """The draft report of one study. Research use only, not a medical device."""
    from mrg_llm.exports import DraftReport, check_format, render, save

    check_format(format)
    from mrg_llm import runs
    from mrg_llm.model.processing import NOT_A_DEVICE

    reporter = runs.load(model)
    draft = DraftReport(reporter.report(films), reporter.name, NOT_A_DEVICE)
    if out:
        save(render(draft, format), out)
    elif format == "text":
        typer.echo(draft.findings)
        typer.echo(NOT_A_DEVICE, err=True)
    else:
        typer.echo(render(draft, format).decode(), nl=False)


@app.command()
def check(run: Annotated[Path, typer.Argument(help="a run folder")]) -> None:
    """Is this run folder whole, and what is in it?"""
    from mrg_llm import runs
    from mrg_llm.errors import CheckpointError

    config, changed, data = runs.describe(run)
    typer.echo(f"language model  {config.language.source} (frozen), width {config.language.width}")
    typer.echo(f"vision encoder  {config.vision.source} at {config.vision.side_px} px")
    typer.echo(f"prompts         {config.prompts.variant}, {config.prompts.prompts}")
    if data:
        typer.echo(f"trained on      {data['source']}: {data['train']} studies")
    if changed:
        raise CheckpointError(f"{run} is damaged: {', '.join(changed)} differ from the manifest; restore or retrain it")
    typer.echo("every file matches its SHA-256")


def open_data(spec: str):
    """A StudySet, with what its reader left out said on standard error."""
    from mrg_llm.studies import open_studies

    studies = open_studies(spec)
    for note in studies.notes:
        typer.echo(f"note: {note}", err=True)
    return studies


def counting_bar(title: str, total: int, console):
    """A context that gives a function (done) -> None moving a progress bar."""
    from contextlib import contextmanager

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def bar():
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done: progress.update(task, completed=done)

    return bar()


def print_settings() -> None:
    from rich.console import Console
    from rich.table import Table

    from mrg_llm.settings import known_keys

    table = Table("setting", "default", "what it does")
    for key, sentence, default in known_keys():
        table.add_row(key, str(default), sentence)
    Console().print(table)


def main() -> None:
    """Run the command line; turn our errors into one sentence and an exit code."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from mrg_llm.errors import MRGError

    try:
        app()
    except MRGError as error:
        typer.echo(f"mrg: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as stop:
        typer.echo(f"mrg: {stop or 'stopped'}", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
