"""The command line: verbs of a few lines, a file a theme. Heavy imports happen inside them, so `--help` is quick.

Exit codes: 0 done; 2 the input is wrong (one sentence on standard error); 1 our own failure; 130 stopped by hand.
"""

from __future__ import annotations

import os
import sys

import typer

from mrg_llm.cli import data, experimenting, reporting, scoring, serving, training

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Chest X-ray reports from a frozen language model and prompts that every image customizes for itself.\n\n"
    "Start with [bold]mrg demo[/]. Research use only, not a medical device.",
)
app.command()(training.demo)
app.add_typer(data.app, name="data")
app.command()(training.train)
app.command()(training.generate)
app.command()(scoring.score)
app.command()(scoring.label)
app.command()(scoring.calibrate)
app.command()(experimenting.experiment)
app.command()(reporting.report)
app.command()(serving.serve)
app.command()(training.check)


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
