"""mrg demo, train, generate and check: a run from its data to its predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mrg_llm.cli.options import Changes, DataSpec, Model, Out, SplitBy, introduced, loaded, open_data
from mrg_llm.progress import counting_bar


def demo(
    out: Out = Path("demo"),
    studies: Annotated[int, typer.Option(help="phantom studies to draw")] = 700,
    seed: Annotated[int, typer.Option(help="of everything")] = 0,
    minutes: Annotated[
        float, typer.Option(help="what it may take: a slow machine trains for fewer steps; 0: all steps", min=0)
    ] = 9,
) -> None:
    """The whole story on phantom studies: draw, align, customize, write, score. Minutes on two cores."""
    from mrg_llm.demo import run_demo

    page = run_demo(out, studies, seed, minutes=minutes)
    typer.echo(f"look at {page}")


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
    from mrg_llm.settings import load_settings, refuse_clashes

    if settings:
        print_settings()
        return
    chosen = load_settings(preset, changes or [])
    refuse_clashes(chosen)
    studies = open_data(data, split_by=split_by, sections=chosen.data.sections, deidentified=chosen.data.deidentified)
    from rich.console import Console

    console = Console(stderr=True)
    if dry_run:
        from mrg_llm.training.plan_text import print_plan

        print_plan(chosen, studies, console)
        return
    from mrg_llm.training.loop import train as run_training

    run_training(chosen, studies, out, resume=resume, start_from=start_from, console=console)
    typer.echo(f"trained: {out}. Next: mrg generate --model {out} --data {data} --split val --out val.jsonl")


def generate(
    model: Model,
    data: DataSpec,
    out: Out = Path("predictions.jsonl"),
    split: Annotated[str, typer.Option(help="train, val or test")] = "val",
    split_by: SplitBy = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="decoding, for example beams=3")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32 (same text in any batch) or bf16")] = "fp32",
    limit: Annotated[int | None, typer.Option(help="only the first N studies")] = None,
    without_context: Annotated[
        bool, typer.Option("--without-context", help="tell the model neither indication nor earlier report")
    ] = False,
) -> None:
    """Write a report for every study of a split into a predictions file that `mrg score` reads."""
    from rich.console import Console

    from mrg_llm import runs
    from mrg_llm.model.context import untold

    how = runs.reading(model, data, split_by)
    studies = open_data(data, **how).split(split)[:limit]
    if without_context:
        studies = tuple(map(untold, studies))
    reporter = loaded(model, precision=precision, changes=changes or ())
    with counting_bar("writing reports", len(studies), Console(stderr=True)) as advance:
        problems = runs.generate(reporter, studies, out, advance, how)
    for id_, sentences in problems.items():
        typer.echo(f"study {id_}: {'; '.join(sentences)}", err=True)
    if problems:
        typer.echo(
            f"studies with films that cannot be read: {len(problems)}; one without any other has an empty report",
            err=True,
        )
    typer.echo(f"{len(studies)} reports in {out}. Next: mrg score {out} --data {data}")


def check(run: Annotated[str, typer.Argument(help="a run folder, or starter")]) -> None:
    """Is this run folder whole, and what is in it?"""
    from mrg_llm import runs
    from mrg_llm.errors import CheckpointError

    config, changed, data = runs.describe(introduced(run))
    language = config.language
    stored = "" if language.quantize == "none" else f", held in {language.quantize}"
    adapters = f", LoRA adapters of rank {language.lora_rank}" if language.lora_rank else ""
    typer.echo(f"language model  {language.source} (frozen{stored}), width {language.width}{adapters}")
    typer.echo(f"vision encoder  {config.vision.source} at {config.vision.side_px} px")
    typer.echo(f"prompts         {config.prompts.variant}, {config.prompts.prompts}")
    if data:
        typer.echo(f"trained on      {data['source']}: {data['train']} studies")
    if changed:
        raise CheckpointError(f"{run} is damaged: {', '.join(changed)} differ from the manifest; restore or retrain it")
    typer.echo("every file matches its SHA-256")


def print_settings() -> None:
    from rich.console import Console
    from rich.table import Table

    from mrg_llm.settings import known_keys

    table = Table("setting", "default", "what it does")
    for key, sentence, default in known_keys():
        table.add_row(key, str(default), sentence)
    Console().print(table)
