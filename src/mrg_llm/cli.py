"""The command line: verbs of a few lines. Heavy imports happen inside them, so `--help` is quick.

Exit codes: 0 done; 2 the input is wrong (one sentence on standard error); 1 our own failure; 130 stopped by hand.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mrg_llm.progress import counting_bar, stages_bar

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Chest X-ray reports from a frozen language model and prompts that every image customizes for itself.\n\n"
    "Start with [bold]mrg demo[/]. Research use only, not a medical device.",
)
data_app = typer.Typer(
    no_args_is_help=True, help="What a data set holds; what is wrong with it; get, import or draw one."
)
app.add_typer(data_app, name="data")

DataSpec = Annotated[str, typer.Option("--data", help="KIND:ROOT, for example iu-xray:PATH or phantom:PATH")]
SplitBy = Annotated[
    str | None,
    typer.Option("--split-by", help="seed or seed:N deals studies by patient, 70/10/20, whatever the source says"),
]
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
    split_by: SplitBy = None,
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
    studies = open_data(data, split_by=split_by, sections=chosen.data.sections, deidentified=chosen.data.deidentified)
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
    split_by: SplitBy = None,
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

    how = runs.reading(model, data, split_by)
    studies = open_data(data, **how).split(split)[:limit]
    reporter = runs.load(model, precision=precision)
    reporter.decode = changed_decoding(reporter.decode, changes or [])
    with counting_bar("writing reports", len(studies), Console(stderr=True)) as advance:
        runs.generate(reporter, studies, out, advance, how)
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
    split_by: SplitBy = None,
    against: Annotated[list[Path] | None, typer.Option(help="other systems' outputs for the same studies")] = None,
    swapped: Annotated[
        Path | None, typer.Option(help="the same model's outputs for films swapped between studies")
    ] = None,
    blank: Annotated[Path | None, typer.Option(help="the same model's outputs for blank films")] = None,
    model: Annotated[
        Path | None, typer.Option(help="the run that wrote them: it is asked again with swapped and with blank films")
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="full, as-is, r2gen-iu, r2gen-mimic, r2gengpt-iu or r2gengpt-mimic; several, with commas, to see "
            "what a protocol does to a number"
        ),
    ] = "full",
    model_based: Annotated[
        str,
        typer.Option(help="chexbert, radgraph, radcliq, bertscore, green, ratescore, srrbert or all (extra radeval)"),
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="write scores.json here")] = None,
    html: Annotated[Path | None, typer.Option(help="write a self-contained page here (it holds report text)")] = None,
    nearest: Annotated[bool, typer.Option(help="the nearest training film's report as a baseline")] = True,
    meteor: Annotated[bool, typer.Option(help="METEOR, where there is Java")] = True,
    tokenizer: Annotated[str, typer.Option(help="the LLM whose tokens the r2gengpt protocols count")] = "smollm2-135m",
    draws: Annotated[int, typer.Option(help="bootstrap draws for the 95 % intervals")] = 1000,
    seed: Annotated[int, typer.Option(help="of the bootstrap and the random baseline")] = 0,
) -> None:
    """Score reports under a named protocol, with intervals, baselines and diagnostics."""
    from mrg_llm.scored import Asked, score_files
    from mrg_llm.studies.texts import reading_in

    how = reading_in(predictions)
    studies = open_data(data, **how | ({"split_by": split_by} if split_by else {})) if data else None
    controls = {"swapped": swapped, "blank": blank}
    asked = Asked(
        predictions, references, against or [], controls, model, listed(protocol), listed(model_based),
        nearest=nearest, meteor=meteor, tokenizer=tokenizer, draws=draws, seed=seed,
    )  # fmt: skip
    score_files(asked, studies, out, html)


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
def data_info(data: Annotated[str, typer.Argument(help="KIND:ROOT")], split_by: SplitBy = None) -> None:
    """What a data set holds: studies, views and reports, and what its reader left out. Opens no film."""
    from mrg_llm.studies.check import describe

    typer.echo(describe(open_data(data, split_by=split_by)))


@data_app.command("init")
def data_init(
    out: Annotated[Path, typer.Option("--out", help="the table to write, .csv or .jsonl, in a folder of its own")],
) -> None:
    """Write an example table of studies with its films, and a README that says what every column means."""
    from mrg_llm.studies.example import write_example

    table = write_example(out)
    typer.echo(
        f"{table}: three studies; {table.with_name('README.md')}: the columns. Next: mrg data info table:{table}"
    )


@data_app.command("fetch")
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


@data_app.command("import")
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


@data_app.command("check")
def data_check(data: Annotated[str, typer.Argument(help="KIND:ROOT")], split_by: SplitBy = None) -> None:
    """Open every film in a separate process and look for what would spoil a training; then the exit code is 2."""
    from rich.console import Console

    from mrg_llm.errors import DataError
    from mrg_llm.images.sandbox import read_film_untrusted
    from mrg_llm.studies.check import check as check_studies

    studies = open_data(data, split_by=split_by)
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


def listed(text: str) -> list[str]:
    """ "a, b" as ["a", "b"]."""
    return [name.strip() for name in text.split(",") if name.strip()]


def open_data(spec: str, **how):
    """A StudySet, with what its reader left out said on standard error. how: as open_studies takes it."""
    from mrg_llm.studies import open_studies

    studies = open_studies(spec, **how)
    for note in studies.notes:
        typer.echo(f"note: {note}", err=True)
    return studies


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
