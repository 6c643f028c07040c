"""The contact sheet: a drawn sample of films, and every flagged one with its reasons, as small inline JPEGs."""

from __future__ import annotations

import base64
import html
import io
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from mrg_llm.datacheck.flags import Flags, name_of
from mrg_llm.datacheck.opening import FilmFacts, Read
from mrg_llm.errors import ImageError
from mrg_llm.images.sandbox import Sandbox
from mrg_llm.studies.study import Study

SAMPLE = 24
MOST_A_REASON = 60  # a page of thousands of films is one nobody looks at
SIDE_PX = 144

Picture = Callable[[FilmFacts], str]


def contact_sheet(
    studies: Sequence[Study], films: Sequence[FilmFacts], flags: Flags, seed: int, read: Read | None
) -> str:
    """HTML: flagged films by reason, then the sample. Opens only the films it shows."""
    with ExitStack() as stack:
        reader = read or stack.enter_context(Sandbox()).read

        def picture(film: FilmFacts) -> str:
            return thumbnail(studies[film.study].views[film.view].path, reader)

        blocks = []
        for reason, flagged in flags.items():
            if flagged:
                shown = flagged[:MOST_A_REASON]
                more = f", the first {len(shown)}" if len(shown) < len(flagged) else ""
                blocks.append(f"<h3>{html.escape(sentence(reason))} <small>{len(flagged):,}{more}</small></h3>")
                blocks.append(grid(studies, shown, picture))
        drawn = sample(films, seed)
        blocks.append(f"<h3>Drawn at random <small>{len(drawn)} of {len(films):,}, seed {seed}</small></h3>")
        blocks.append(grid(studies, drawn, picture))
        return "".join(blocks)


def sample(films: Sequence[FilmFacts], seed: int) -> list[FilmFacts]:
    """Readable films, in order."""
    readable = [film for film in films if film.digest]
    chosen = random.Random(seed).sample(range(len(readable)), min(SAMPLE, len(readable)))
    return [readable[i] for i in sorted(chosen)]


def grid(studies: Sequence[Study], films: Iterable[FilmFacts], picture: Picture) -> str:
    return f'<div class="sheet">{"".join(card(studies, film, picture(film)) for film in films)}</div>'


def card(studies: Sequence[Study], film: FilmFacts, source: str) -> str:
    """A thumbnail, its name, and what it looks like."""
    name = html.escape(name_of(studies, film))
    shown = f'<img src="{source}" alt="film {name}">' if source else '<div class="none">cannot be read</div>'
    facts = [studies[film.study].split or "no split"]
    if film.looks:
        facts.append(f"{film.width} × {film.height}")
        if film.looks.is_chest:
            facts.append("frontal" if film.looks.is_frontal else "lateral")
        if film.looks.marker in ("left", "right"):
            facts.append(f"mark {film.looks.marker}")
    return f'<div class="film">{shown}<b>{name}</b><small>{html.escape(" · ".join(facts))}</small></div>'


def thumbnail(path: Path, read: Read) -> str:
    """A JPEG as a data URL, aspect kept; empty where the film cannot be read (any more)."""
    try:
        pixels = read(path).pixels
    except ImageError:
        return ""
    scale = SIDE_PX / max(pixels.shape)
    size = tuple(max(1, round(side * scale)) for side in reversed(pixels.shape))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    stream = io.BytesIO()
    Image.fromarray((small.clip(0, 1) * 255).astype(np.uint8)).save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def sentence(reason: str) -> str:
    return reason[0].upper() + reason[1:]
