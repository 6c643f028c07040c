"""mrg report: films in, a draft out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    films: Annotated[
        list[Path], typer.Argument(help="the films of one study (DICOM, PNG, JPEG), or their folder, zip or DICOMDIR")
    ],
    model: Annotated[Path, typer.Option("--model", help="a run folder")],
    format: Annotated[
        str, typer.Option("--format", help="text, json, markdown, pdf, dicom-sr, dicom-pdf or fhir")
    ] = "text",
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
    from mrg_llm.exports import FORMATS, DraftReport, check_format, check_study, read_identity, render, save

    check_format(format, terminal=out is None and sys.stdout.isatty())
    study = None if FORMATS[format].identity == "none" else read_identity(films)
    check_study(format, study)
    from mrg_llm import runs
    from mrg_llm.model.processing import NOT_A_DEVICE

    reporter = runs.load(model)
    text = reporter.report(films, indication=indication, prior=prior, anyway=anyway)
    draft = DraftReport(text, reporter.name, NOT_A_DEVICE, study=study)
    if out:
        save(render(draft, format), out)
    elif format == "text":
        typer.echo(draft.shown)
        typer.echo(NOT_A_DEVICE, err=True)
    else:
        typer.echo(render(draft, format), nl=False)
