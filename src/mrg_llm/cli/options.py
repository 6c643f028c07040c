"""What several verbs share: options, and opening a data set."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

DataSpec = Annotated[str, typer.Option("--data", help="KIND:ROOT, for example iu-xray:PATH or phantom:PATH")]
SplitBy = Annotated[
    str | None,
    typer.Option("--split-by", help="seed or seed:N deals studies by patient, 70/10/20, whatever the source says"),
]
Model = Annotated[str, typer.Option("--model", help="a run folder, or starter: the model that comes with mrg-llm")]
Out = Annotated[Path, typer.Option("--out", help="where the result goes")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a setting, for example train.lr=0.001")
]


def listed(text: str) -> list[str]:
    """ "a, b" as ["a", "b"]."""
    return [name.strip() for name in text.split(",") if name.strip()]


def introduced(model: str) -> str:
    """The same name; of the starter it is said on standard error what it is."""
    from mrg_llm.boxed import NOTE, is_starter, model_folder

    if is_starter(model):
        model_folder(model)  # or it says that there is none
        typer.echo(NOTE, err=True)
    return model


def loaded(model: str, **how):
    """The Reporter of a run folder or of the starter, as `introduced`. how: as runs.load takes it."""
    introduced(model)
    with uncollected():
        from mrg_llm import runs

        return runs.load(model, **how)


@contextmanager
def uncollected() -> Iterator[None]:
    """Imports and models stay: looking through them for garbage while they are made takes a sixth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def open_data(spec: str, **how):
    """A StudySet, as `noted`. how: as open_studies takes it."""
    from mrg_llm.studies import open_studies

    return noted(open_studies(spec, **how))


def noted(studies):
    """The StudySet; what its reader left out is said on standard error."""
    for note in studies.notes:
        typer.echo(f"note: {note}", err=True)
    return studies
