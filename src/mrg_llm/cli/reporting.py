"""mrg report: films in, a draft out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    films: Annotated[
        list[Path], typer.Argument(help="the films of one study (DICOM, PNG, JPEG), or their folder, zip or DICOMDIR")
    ],
    model: Annotated[Path, typer.Option("--model", help="a run folder")],
    format: Annotated[str, typer.Option("--format", help="text, json or markdown")] = "text",
    indication: Annotated[
        str | None, typer.Option(help="why the films were taken, for a model that was trained to be told")
    ] = None,
    prior: Annotated[str | None, typer.Option(help="the patient's earlier report, for such a model")] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="write also for a picture that is unlike the films of the training")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="write it here instead of printing it")] = None,
) -> None:
    """The draft report of one study. Research use only, not a medical device."""
    from mrg_llm.exports import DraftReport, check_format, render, save

    check_format(format)
    from mrg_llm import runs
    from mrg_llm.model.processing import NOT_A_DEVICE

    reporter = runs.load(model)
    draft = DraftReport(
        reporter.report(films, indication=indication, prior=prior, anyway=anyway), reporter.name, NOT_A_DEVICE
    )
    if out:
        save(render(draft, format), out)
    elif format == "text":
        typer.echo(draft.findings)
        typer.echo(NOT_A_DEVICE, err=True)
    else:
        typer.echo(render(draft, format).decode(), nl=False)
