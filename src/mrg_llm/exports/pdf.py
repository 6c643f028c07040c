"""A draft -> a page of PDF: what it is, whose films, the sections, the films themselves if they are given.

The letters are DejaVu's, embedded (they come with matplotlib): Latin, Greek, Cyrillic. What it has none for, names in
Chinese, Japanese or Korean above all, is left to the Asian fonts of the reader's PDF viewer.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from mrg_llm.exports.draft import MARK, SOFTWARE, DraftReport, Sentence, software_version
from mrg_llm.exports.identity import readable

REGULAR, BOLD, HAN, HANGUL = "DejaVuSans", "DejaVuSans-Bold", "STSong-Light", "HYSMyeongJo-Medium"
MARGIN, BANNER, FILM_HEIGHT = 56, 26, 150  # points
RED, AMBER, GRAY = "#9b1c1c", "#ffe08a", "#555555"
SEXES = {"M": "male", "F": "female", "O": "other"}


def as_pdf(draft: DraftReport, films: Sequence[bytes] = ()) -> bytes:
    """A4, one page for a report of usual length; the notice stands on every page. films: PNG or JPEG, shown small."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    fonts()
    style = styles()
    story: list[Any] = [Paragraph("Draft report", style["title"])]
    story += [Paragraph(lettered(line), style["small"]) for line in about(draft)]
    if films:
        story += [Spacer(1, 8), pictures(films)]
    story.append(Paragraph("Findings", style["heading"]))
    story.append(Paragraph(" ".join(map(marked, draft.sentences)), style["body"]))
    if draft.impression:
        story += [Paragraph("Impression", style["heading"]), Paragraph(lettered(draft.impression), style["body"])]
    file = io.BytesIO()
    page = SimpleDocTemplate(
        file, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN + BANNER, bottomMargin=MARGIN,
        title="Draft report", author=f"{SOFTWARE} {software_version()}", subject=draft.notice, invariant=1,
    )  # fmt: skip
    page.build(story, onFirstPage=banner(draft), onLaterPages=banner(draft))
    return file.getvalue()


def about(draft: DraftReport) -> list[str]:
    """The lines above the report: patient and study, as far as the films say, and what wrote it when."""
    lines = []
    if draft.study:
        study = draft.study
        issuer = f" ({study.patient_id_issuer})" if study.patient_id_issuer else ""
        patient = {"Patient": readable(study.patient_name), "ID": study.patient_id and study.patient_id + issuer,
                   "Born": dashed(study.birth_date), "Sex": SEXES.get(study.sex, "")}  # fmt: skip
        taken = f"{dashed(study.study_date)} {clock(study.study_time)}".strip()
        details = {"Study": study.description, "Taken": taken, "Accession": study.accession_number,
                   "Study ID": study.study_id, "Referred by": readable(study.referring_physician)}  # fmt: skip
        lines += ["; ".join(f"{name}: {value}" for name, value in part.items() if value) for part in (patient, details)]
        lines.append(f"Study Instance UID: {study.study_uid}; films: {len(study.films)}")
    written = f"{draft.written_at:%Y-%m-%d %H:%M %Z}".strip()
    return [line for line in lines if line] + [f"Written by {SOFTWARE} {draft.model} on {written}; preliminary"]


def dashed(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else ""


def clock(time: str) -> str:
    return ":".join(filter(None, (time[:2], time[2:4])))


def marked(sentence: Sentence) -> str:
    """A sentence as markup; an uncertain one lies on colour, behind its mark."""
    text = lettered(sentence.text)
    return f'<font backColor="{AMBER}"><b>{MARK}</b> {text}</font>' if sentence.marked else text


def lettered(text: str) -> str:
    """Text as markup that names the font for each run of letters DejaVu does not have."""
    known = fonts()

    def font(letter: str) -> str:
        if ord(letter) in known or letter.isspace():
            return REGULAR
        return HANGUL if "\uac00" <= letter <= "\ud7a3" else HAN

    runs = ((name, escape("".join(run))) for name, run in groupby(text, font))
    return "".join(run if name == REGULAR else f'<font name="{name}">{run}</font>' for name, run in runs)


@cache
def fonts() -> frozenset[int]:
    """Registers the fonts; returns the characters that DejaVu has."""
    import matplotlib
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
        addMapping(REGULAR, int(name == BOLD), 0, name)
    for name in (HAN, HANGUL):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return frozenset(pdfmetrics.getFont(REGULAR).face.charToGlyph)


def styles() -> dict[str, Any]:
    from reportlab.lib.styles import ParagraphStyle

    body = ParagraphStyle("body", fontName=REGULAR, fontSize=11, leading=16, splitLongWords=1)
    return {
        "body": body,
        "small": ParagraphStyle("small", body, fontSize=9, leading=13),
        "heading": ParagraphStyle("heading", body, fontName=BOLD, fontSize=12, spaceBefore=14, spaceAfter=4),
        "title": ParagraphStyle("title", body, fontName=BOLD, fontSize=17, leading=24, spaceAfter=4),
    }


def banner(draft: DraftReport) -> Callable[[Any, Any], None]:
    """Draws the notice across the top of a page, and the page's number below."""

    def draw(canvas: Any, page: Any) -> None:
        width, height = page.pagesize
        canvas.setFillColor(RED)
        canvas.rect(0, height - MARGIN, width, BANNER, stroke=0, fill=1)
        canvas.setFillColor("white")
        canvas.setFont(BOLD, 10)
        canvas.drawCentredString(width / 2, height - MARGIN + 9, draft.notice)
        canvas.setFillColor(GRAY)
        canvas.setFont(REGULAR, 8)
        canvas.drawCentredString(width / 2, MARGIN / 2, f"{draft.notice} Page {page.page}")

    return draw


def pictures(films: Sequence[bytes]) -> Any:
    """The films side by side, each as high as the others unless it would be too wide."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import Image, Table

    width = (A4[0] - 2 * MARGIN) / len(films) - 12  # a cell has 6 points on either side
    row = [Image(io.BytesIO(data), width, FILM_HEIGHT, kind="proportional") for data in films]
    return Table([row], hAlign="LEFT")
