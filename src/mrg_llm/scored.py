"""`mrg score`: files in, table, scores.json and page out. The one place where scores meet models and films."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from mrg_llm.errors import InputError
from mrg_llm.scoring import Outputs, ScoreBoard, Training, print_board, protocol, read_outputs, score_run
from mrg_llm.studies.study import Study, StudySet


def score_files(
    predictions: Path,
    references: Path | None,
    studies: StudySet | None,
    against: Sequence[Path],
    controls: Mapping[str, Path | None],
    protocol_name: str,
    out: Path | None,
    html: Path | None,
    with_nearest: bool,
    with_meteor: bool,
    tokenizer: str,
    draws: int,
    seed: int,
) -> ScoreBoard:
    """Score a file of predictions and show the result. Raises InputError in one sentence."""
    console = Console(stderr=True)
    protocol(protocol_name)
    outputs = read_outputs(predictions, references or known_references(studies))
    with console.status("scoring") as status:
        board = score_run(
            outputs,
            protocol_name,
            training=Training.of(studies) if studies else None,
            nearest=nearest(outputs, studies) if studies and with_nearest else None,
            against=[read_outputs(path) for path in against],
            controls={name: read_outputs(path) for name, path in controls.items() if path},
            cut=token_cut(tokenizer) if protocol_name.startswith("r2gengpt") else None,
            draws=draws,
            seed=seed,
            with_meteor=with_meteor,
            progress=status.update,
        )
    print_board(board)
    if out:
        board.save(out)
    if html:
        from mrg_llm.scoring.page import write_page

        write_page(board, html, films_of(studies) if studies else None)
        console.print(f"page: {html} (it holds report text; treat it like the data)", highlight=False)
    return board


def known_references(studies: StudySet | None) -> dict[str, str] | None:
    return {s.id: s.report for s in studies if s.report} if studies else None


def nearest(outputs: Outputs, studies: StudySet) -> dict[str, str] | None:
    """Study id -> nearest training study, for the studies that were scored."""
    from mrg_llm.model.nearest import nearest_training_films

    known = {s.id: s for s in studies}
    asked = [known[i] for i in outputs.ids if i in known]
    if len(asked) < len(outputs.ids):
        missing = len(outputs.ids) - len(asked)
        raise InputError(f"{missing} of the scored studies are not in {studies.source}; give the data they come from")
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
    import io

    from PIL import Image

    from mrg_llm.images import read_film
    from mrg_llm.images.pixels import to_square_uint8

    pictures = []
    for view in study.views:
        stream = io.BytesIO()
        Image.fromarray(to_square_uint8(read_film(view.path), side_px)).save(stream, "JPEG", quality=80)
        pictures.append(stream.getvalue())
    return pictures
