"""mrg score, mrg label and mrg calibrate: what reports are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mrg_llm.cli.options import DataSpec, Out, SplitBy, listed, open_data


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
    section: Annotated[
        str, typer.Option(help="findings or impression alone, of a model that writes both (data.sections)")
    ] = "",
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
        nearest=nearest, meteor=meteor, tokenizer=tokenizer, draws=draws, seed=seed, section=section,
    )  # fmt: skip
    score_files(asked, studies, out, html)


def label(
    reports: Annotated[Path, typer.Argument(help='a JSONL file, {"id", "text"} a line')],
    out: Out = Path("labels.jsonl"),
) -> None:
    """The 14 CheXpert observations of any reports: 1 present, 0 absent, -1 uncertain, null not mentioned."""
    from mrg_llm.scoring.clinical import label_file

    typer.echo(f"{label_file(reports, out)} reports labelled in {out}")


def calibrate(
    run: Annotated[Path, typer.Argument(help="a run folder; calibration.json is written into it")],
    data: DataSpec,
    split: Annotated[str, typer.Option(help="val, unless you know better: never what the run was trained on")] = "val",
    split_by: SplitBy = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="for example samples=8: agreement of sampled reports, too"),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="only the first N studies")] = None,
    plot: Annotated[Path | None, typer.Option(help="write the reliability plot here, as SVG")] = None,
) -> None:
    """Measure how sure each sentence of a draft is; later reports mark those under a threshold."""
    from rich.console import Console

    from mrg_llm import runs
    from mrg_llm.calibrated import calibrate as fit_run
    from mrg_llm.exports import save
    from mrg_llm.progress import counting_bar
    from mrg_llm.scoring.reliability import plot as drawn

    studies = open_data(data, **runs.reading(run, data, split_by)).split(split)[:limit]
    with counting_bar("writing and judging drafts", len(studies), Console(stderr=True)) as advance:
        found, held = fit_run(run, studies, changes or [], advance)
    if plot:
        save(drawn(held).encode(), plot)
    typer.echo(
        f"{found.sentences} sentences of {found.studies} drafts, {100 * found.right:.0f} % of them right; on held-out "
        f"folds: expected calibration error {found.ece:.3f}, AUROC {found.auroc:.3f}, Brier score {held.brier:.3f}"
    )
