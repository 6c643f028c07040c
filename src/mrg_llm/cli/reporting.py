"""mrg report: films in, a draft out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mrg_llm.boxed import STARTER
from mrg_llm.cli.options import Model, SplitBy, loaded, open_data
from mrg_llm.errors import InputError


def report(
    films: Annotated[
        list[Path], typer.Argument(help="the films of one study (DICOM, PNG, JPEG), or their folder, zip or DICOMDIR")
    ],
    model: Model = STARTER,
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
    explain: Annotated[
        Path | None, typer.Option("--explain", help="write a page here: where each sentence came from (it holds films)")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="with --explain: KIND:ROOT of the training data, to name the likest studies"),
    ] = None,
    split_by: SplitBy = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="confidence, for example threshold=0.3 or below=drop"),
    ] = None,
) -> None:
    """The draft report of one study. Research use only, not a medical device."""
    from mrg_llm.exports import FORMATS, check_format, check_study, read_identity, render, save
    from mrg_llm.images.sandbox import start_decoder

    check_format(format, terminal=out is None and sys.stdout.isatty())
    study = None if FORMATS[format].identity == "none" else read_identity(films)
    check_study(format, study)
    if data and not explain:
        raise InputError("--data was given, but no --explain: the likest training studies stand on its page only")
    training = likest_of(model, data, split_by) if data else ()
    start_decoder()  # it starts while the model is loaded
    reporter = loaded(model)
    from mrg_llm.drafting import drafted
    from mrg_llm.settings import changed_confidence

    reporter.confidence = changed_confidence(reporter.confidence, changes or [])
    asked = reporter.asked(indication=indication, prior=prior)
    shown = reporter.shown(films, anyway=anyway)
    draft = drafted(reporter, [asked], [shown], [study])[0]
    if explain:
        from mrg_llm.explain.story import explained

        save(explained(reporter, asked, shown, draft.sentences, training), explain)
    if out:
        save(render(draft, format), out)
    elif format == "text":
        from mrg_llm.exports.plain import sections

        typer.echo(sections(draft))
        typer.echo(draft.notice, err=True)
    else:
        typer.echo(render(draft, format), nl=False)


def likest_of(model: str, data: str, split_by: str | None):
    """The studies among which the page looks for alike ones."""
    from mrg_llm import runs

    return open_data(data, **runs.reading(model, data, split_by)).split("train")
