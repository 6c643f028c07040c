"""`mrg score`: files in, table, scores.json and page out. The one place where scores meet models and films."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mrg_llm.errors import ImageError, InputError, SettingsError
from mrg_llm.scoring import Outputs, ScoreBoard, Training, print_board, protocol, read_outputs, score_run
from mrg_llm.scoring.measures import Labels
from mrg_llm.scoring.model_based import model_based
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.studies.texts import PARTS, only_section, parted


@dataclass(frozen=True)
class Asked:
    """What `mrg score` was asked for. protocols: the first is the main one, the others stand beside it. model: the run
    that wrote the predictions, to be asked again with other films. section: "findings" or "impression" of reports that
    hold both; "" for the whole text."""

    predictions: Path
    references: Path | None = None
    against: Sequence[Path] = ()
    controls: Mapping[str, Path | None] = field(default_factory=dict)
    model: Path | None = None
    protocols: Sequence[str] = ("full",)
    model_based: Sequence[str] = ()
    nearest: bool = True
    meteor: bool = True
    tokenizer: str = "smollm2-135m"
    draws: int = 1000
    seed: int = 0
    section: str = ""


def score_files(
    asked: Asked, studies: StudySet | None, out: Path | None = None, html: Path | None = None
) -> ScoreBoard:
    """Score a file of predictions and show the result. Raises InputError in one sentence."""
    console = Console(stderr=True)
    for name in asked.protocols:  # before minutes are spent on the first of several
        if protocol(name).rare_below and studies is None:
            raise InputError(
                f"protocol {name} turns words that are rare in the training reports into <unk>: give the training data "
                "(--data), or use the protocol 'full'"
            )
    if asked.section not in ("", *PARTS):
        raise SettingsError(f"--section is {asked.section!r}, but must be {' or '.join(PARTS)}")
    scored = read_outputs(asked.predictions, asked.references or known_references(studies))
    controls = {name: read_outputs(path) for name, path in asked.controls.items() if path}
    controls |= asked_again(asked, scored, studies, console)
    against = [read_outputs(path) for path in asked.against]
    if asked.section:
        scored = with_reference(section_of(scored, asked.section), asked.section)
        controls = {name: section_of(other, asked.section) for name, other in controls.items()}
        against = [section_of(other, asked.section) for other in against]
        studies = only_section(studies, asked.section) if studies else None
    with console.status("scoring") as status:
        labels = Labels()
        measures, missing = model_based(asked.model_based, status.update) if asked.model_based else ([], {})
        shared: dict[str, Any] = {
            "training": Training.of(studies) if studies else None,
            "nearest": nearest(scored, studies) if studies and asked.nearest else None,
            "against": against, "controls": controls, "labels": labels, "draws": asked.draws, "seed": asked.seed,
            "with_meteor": asked.meteor, "measures": measures,
        }  # fmt: skip
        boards = [
            score_run(
                scored, name, cut=token_cut(asked.tokenizer) if name.startswith("r2gengpt") else None,
                progress=lambda step, name=name: status.update(f"{name}: {step}"), **shared,
            )
            for name in asked.protocols
        ]  # fmt: skip
    board = replace(boards[0], skipped=boards[0].skipped | missing).beside(boards[1:])
    print_board(board)
    if out:
        board.save(out)
    if html:
        from mrg_llm.scoring.page import write_page

        write_page(board, html, films_of(studies) if studies else None)
        console.print(f"page: {html} (it holds report text; treat it like the data)", highlight=False)
    return board


def section_of(outputs: Outputs, section: str) -> Outputs:
    """One section of every report, empty where it is not there."""
    rows = (
        replace(row, prediction=parted(row.prediction)[section], reference=parted(row.reference or "")[section])
        for row in outputs
    )
    return replace(outputs, rows=tuple(rows))


def with_reference(outputs: Outputs, section: str) -> Outputs:
    """The studies whose reference has the section. Raises InputError where none has."""
    rows = tuple(row for row in outputs if row.reference)
    if not rows:
        raise InputError(
            f"no reference of {outputs.name} has {section} under a head of its own; train and generate with "
            "--set data.sections=findings+impression, or leave --section out"
        )
    return replace(outputs, name=f"{outputs.name} ({section} of {len(rows)})", rows=rows)


def asked_again(asked: Asked, scored: Outputs, studies: StudySet | None, console: Console) -> dict[str, Outputs]:
    """The run's outputs for other films, where a run was given."""
    if asked.model is None:
        return {}
    if studies is None:
        raise InputError("--model was given, but no --data: the studies' films are needed to swap them")
    from mrg_llm.controls import CONTROLS, other_films
    from mrg_llm.progress import counting_bar

    own = known_studies(scored, studies)
    with counting_bar("asking with other films", len(CONTROLS) * len(own), console) as advance:
        return other_films(asked.model, asked.predictions, own, advance)


def known_studies(scored: Outputs, studies: StudySet) -> list[Study]:
    """The scored studies, in order. Raises InputError where the data does not have them all."""
    known = {s.id: s for s in studies}
    found = [known[i] for i in scored.ids if i in known]
    if len(found) < len(scored.ids):
        missing = len(scored.ids) - len(found)
        raise InputError(f"{missing} of the scored studies are not in {studies.source}; give the data they come from")
    return found


def known_references(studies: StudySet | None) -> dict[str, str] | None:
    return {s.id: s.report for s in studies if s.report} if studies else None


def nearest(outputs: Outputs, studies: StudySet) -> dict[str, str] | None:
    """Study id -> nearest training study, for the studies that were scored."""
    from mrg_llm.model.nearest import nearest_training_films

    asked = known_studies(outputs, studies)
    training = [s for s in studies.split("train") if s.report]
    return nearest_training_films(asked, training) if training else None


def token_cut(source: str) -> Callable[[str, int], str]:
    """Cut a text to n tokens of an LLM's tokenizer, decoded back, as R2GenGPT does with its references."""
    from mrg_llm.model.sources import load_tokenizer

    tokenizer = load_tokenizer(source)

    def cut(text: str, n: int) -> str:
        ids = tokenizer(text, add_special_tokens=False).input_ids[:n]
        return tokenizer.decode(ids, skip_special_tokens=True)

    return cut


def films_of(studies: StudySet) -> Callable[[str], list[bytes]]:
    """Study id -> its films as small JPEGs, for the page."""
    known = {s.id: s for s in studies}
    return lambda id_: thumbnails(known[id_]) if id_ in known else []


def thumbnails(study: Study, side_px: int = 200) -> list[bytes]:
    """JPEGs of the films that can be read; of the others `mrg generate` has told."""
    import io

    from PIL import Image

    from mrg_llm.films import read_view

    pictures = []
    for view in study.views:
        stream = io.BytesIO()
        try:
            film = read_view(view, side_px, "squash")
        except ImageError:
            continue
        Image.fromarray(film).save(stream, "JPEG", quality=80)
        pictures.append(stream.getvalue())
    return pictures
