"""One study's draft with its evidence as one HTML page that needs nothing else: no script, no outside request.

In: an explanation, films, sentences with their confidence, prompts that moved, studies that look alike. Out: the page's
bytes. Hovering or choosing a sentence (mouse, keyboard) lays its map over the films by CSS alone; below, every map
stands as a picture of its own.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template
from typing import Protocol

import numpy as np
from PIL import Image

from mrg_llm.explain.alike import Alike
from mrg_llm.explain.maps import Explanation
from mrg_llm.explain.moved import Moved
from mrg_llm.model.processing import NOT_A_DEVICE, Shown, to_square_uint8
from mrg_llm.model.vision import VisionConfig
from mrg_llm.studies.study import Study

WHAT_A_MAP_IS = (
    "A heat map shows on which parts of the film the wording of a sentence hangs, to first order and as coarsely as "
    "the model's patches; it does not show that a finding is there, that the sentence is right, or all that the "
    "model used."
)
FILM_PX, MAP_PX, THUMBNAIL_PX = 448, 160, 200
MOST_BARS = 32
# Magma's colours from dark to light (Smith and van der Walt, CC0), with an opacity that lets the film through.
COLOURS = np.array([[59, 15, 112, 0], [140, 41, 129, 110], [222, 73, 104, 165], [254, 159, 109, 200],
                    [252, 253, 191, 225]])  # fmt: skip

Thumbnails = Callable[[Study], list[bytes]]


class Said(Protocol):
    """A sentence and how sure it is, as the model gives it or as a draft holds it."""

    @property
    def text(self) -> str: ...

    @property
    def confidence(self) -> float | None: ...

    @property
    def marked(self) -> bool: ...


@dataclass(frozen=True)
class Shelf:
    """What a page is made from. sentences: as many as the explanation has, with their confidence."""

    model: str
    vision: VisionConfig
    shown: Shown
    explanation: Explanation
    sentences: Sequence[Said]
    moved: Moved | None = None
    alike: Sequence[Alike] = ()


def page(shelf: Shelf, thumbnails: Thumbnails = lambda study: []) -> bytes:
    """UTF-8 HTML. thumbnails: a training study's films as JPEG, for those that look alike."""
    body = [viewer(shelf), pictures(shelf), prompts(shelf.moved), neighbours(shelf.alike, thumbnails)]
    template = Template((resources.files("mrg_llm.explain") / "page.html").read_text())
    return template.substitute(
        notice=escape(NOT_A_DEVICE), model=escape(shelf.model), styles=styles(shelf), body="\n".join(body)
    ).encode()


# -- films and maps: every picture stands once in the style sheet, however often it is shown --------------------------


def styles(shelf: Shelf) -> str:
    rules = []
    for w, film in enumerate(shelf.shown.films):
        height, width = film.pixels.shape if shelf.vision.fit == "squash" else (1, 1)
        data = jpeg(to_square_uint8(film, FILM_PX, shelf.vision.fit))
        rules.append(
            f".v{w} {{ --film: url({data}); aspect-ratio: {width} / {height}; background-image: var(--film); }}"
        )
    for s, maps in enumerate(shelf.explanation.maps):
        for w, heat in enumerate(maps):
            overlay = f"background-image: var(--m{s}-{w}), var(--film);"
            rules += [
                f":root {{ --m{s}-{w}: url({png(coloured(heat))}); }}",
                f".s{s} .v{w}, .viewer:has(#s{s}:checked) .v{w} {{ {overlay} }}",
            ]
    # After all of the above: what is pointed at is shown, whatever is chosen.
    rules += [
        f".viewer:has(.said:hover #s{s}) .films .v{w} {{ background-image: var(--m{s}-{w}), var(--film); }}"
        for s, maps in enumerate(shelf.explanation.maps)
        for w in range(len(maps))
    ]
    return "\n".join(rules)


def viewer(shelf: Shelf) -> str:
    views = "".join(
        f'<figure class="film"><div class="picture v{w}" role="img" aria-label="view {w + 1}, with the heat map '
        f'of the chosen sentence"></div><figcaption>View {w + 1}</figcaption></figure>'
        for w in range(len(shelf.shown.films))
    )
    return f"""<p>{escape(WHAT_A_MAP_IS)} <span class="key" role="img" aria-label="from little to much"></span></p>
<div class="viewer"><div class="films">{views}</div>
<fieldset><legend>Point at a sentence, or choose one (Tab, then the arrow keys)</legend>
<label class="said"><input type="radio" name="said" checked><span>The films alone</span></label>
{"".join(said(number, sentence) for number, sentence in enumerate(shelf.sentences))}</fieldset></div>"""


def said(number: int, sentence: Said) -> str:
    kind = "said marked" if sentence.marked else "said"
    return f"""<label class="{kind}"><input type="radio" name="said" id="s{number}"><span>{escape(sentence.text)}</span>
{sure(sentence)}</label>"""


def sure(sentence: Said) -> str:
    if sentence.confidence is None:
        return ""
    return f"<b>{'uncertain, ' if sentence.marked else ''}{100 * sentence.confidence:.0f} %</b>"


def pictures(shelf: Shelf) -> str:
    if not shelf.sentences:
        return "<p>The draft is empty: there is nothing to explain.</p>"
    items = []
    for s, sentence in enumerate(shelf.sentences):
        views = "".join(
            f'<div class="film"><div class="picture v{w}" role="img" aria-label="{strongest(heat)} of view {w + 1}">'
            "</div></div>"
            for w, heat in enumerate(shelf.explanation.maps[s])
        )
        items.append(
            f'<li class="s{s}"><div class="row">{views}</div><p>{escape(sentence.text)} {sure(sentence)}</p></li>'
        )
    return f'<h2>Every sentence with its maps</h2><ol class="list">{"".join(items)}</ol>'


def strongest(heat_HW: np.ndarray) -> str:
    """In words, for who cannot see it."""
    if heat_HW.max() <= 0:
        return "heat map, empty,"
    row, column = np.unravel_index(heat_HW.argmax(), heat_HW.shape)
    down = ("upper", "middle", "lower")[int(3 * row / heat_HW.shape[0])]
    across = ("left", "centre", "right")[int(3 * column / heat_HW.shape[1])]
    return f"heat map, strongest in the {down} {across} part of the picture,"


def coloured(heat_HW: np.ndarray) -> Image.Image:
    """A map as a smooth picture of colours, clear where it is 0."""
    smooth = Image.fromarray(heat_HW.astype(np.float32)).resize((MAP_PX, MAP_PX), Image.Resampling.BICUBIC)
    values = np.clip(np.asarray(smooth), 0, 1)
    steps = np.linspace(0, 1, len(COLOURS))
    rgba = np.stack([np.interp(values, steps, COLOURS[:, c]) for c in range(4)], axis=-1)
    return Image.fromarray(rgba.round().astype(np.uint8), "RGBA")


def png(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.quantize(256, method=Image.Quantize.FASTOCTREE).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def jpeg(square: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(square).save(stream, "JPEG", quality=85)
    return embedded(stream.getvalue())


def embedded(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


# -- what else speaks for the draft ------------------------------------------------------------------------------------


def prompts(moved: Moved | None) -> str:
    if moved is None:
        return "<h2>Prompts</h2><p>No film moves the prompts of this model.</p>"
    usual = moved.from_usual if moved.from_usual is not None else moved.from_book
    order = usual.argsort()[::-1][:MOST_BARS]
    compared = " Thin bars: from what training films make of it on average." if moved.from_usual is not None else ""
    return f"""<h2>Prompts that the film moved most</h2>
<p>How far each customized prompt lies from the promptbook, in units of the spread of the language model's word
embeddings: 1 is the distance of one word from another.{compared}</p>{bars(moved, order.tolist())}"""


def bars(moved: Moved, order: Sequence[int]) -> str:
    most = max(float(moved.from_book.max()), 1e-9 if moved.from_usual is None else float(moved.from_usual.max()), 1e-9)
    parts = []
    for row, k in enumerate(order):
        top, length = 18 * row, 480 * float(moved.from_book[k]) / most
        parts.append(
            f'<text x="0" y="{top + 12}">prompt {k + 1}</text>'
            f'<rect x="76" y="{top + 2}" width="{length:.1f}" height="12" rx="2" fill="var(--bar)"/>'
            f'<text x="{82 + length:.1f}" y="{top + 12}">{moved.from_book[k]:.2f}</text>'
        )
        if moved.from_usual is not None:
            thin = 480 * float(moved.from_usual[k]) / most
            parts.append(f'<rect x="76" y="{top + 10}" width="{thin:.1f}" height="4" fill="currentColor"/>')
    label = "prompts by how far the film moved them"
    return f'<svg viewBox="0 0 600 {18 * len(order) + 4}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def neighbours(alike: Sequence[Alike], thumbnails: Thumbnails) -> str:
    if not alike:
        return ""
    items = []
    for one in alike:
        films = "".join(
            f'<img alt="film of {escape(one.study.id)}" src="{embedded(d)}">' for d in thumbnails(one.study)
        )
        items.append(
            f'<div class="alike"><div>{films}</div><div><h3>{escape(one.study.id)} '
            f"<small>likeness {one.likeness:.2f}</small></h3><p>{escape(one.study.report or 'no report')}</p>"
            "</div></div>"
        )
    return f"""<h2>Training studies that look most alike</h2>
<p>By the published, untrained encoder. The model learned from films like these; it looks none up while it writes, and
their reports are of other patients.</p>{"".join(items)}"""
