"""What `mrg data check` found -> one HTML file that needs nothing else: the verdict, histograms, labels, films.

It looks like the page of scores (scoring/page), whose style it takes, has no script, and asks no other computer for
anything. It holds films and ids of studies: treat it like the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from mrg_llm import scoring
from mrg_llm.datacheck import Checked
from mrg_llm.datacheck.opening import Read
from mrg_llm.datacheck.plots import histograms, label_bars
from mrg_llm.datacheck.sheet import contact_sheet
from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.scoring.outputs import write_text
from mrg_llm.scoring.page import NOTICE, section, table, text
from mrg_llm.studies.check import Row

CARE = "This page holds films and ids of studies: treat it like the data."
ERRS = """<p class="note">What is told from pixels errs: of ordinary films, one to three in a hundred are flagged, and
one mirrored film in four is missed (measured on IU X-ray; docs/data.md). R and L are not read: look.</p>"""
STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.4rem, 1fr)); gap: .8rem .7rem; margin: .4rem 0 1.4rem; }
.film { display: flex; flex-direction: column; font-size: .78rem; line-height: 1.35; min-width: 0; break-inside: avoid; }
.film img, .film .none { width: 100%; aspect-ratio: 1; object-fit: contain; background: #000; border-radius: 6px; margin-bottom: .25rem; }
.film .none { display: grid; place-items: center; color: #bbb; }
.film b { font-weight: 600; overflow-wrap: anywhere; }
.found th:last-child { text-align: left; }
td.ids { text-align: left; white-space: normal; overflow-wrap: anywhere; color: var(--soft); font-size: .85em; }
.found th:first-child { min-width: 12rem; }
@media (max-width: 40rem) { .found th:last-child:not(:first-child), td.ids { display: none; } .found th:first-child { min-width: 0; } }
.sound { background: var(--same); border-left-color: var(--same-line); }
.stop { background: var(--extra); border-left-color: var(--extra-line); }
"""  # noqa: E501
SHOWN_IDS = 6


def write_page(checked: Checked, path: Path, seed: int = 0, read: Read | None = None) -> Path:
    """Write the page, whole or not at all. seed: of the films drawn at random. read: as check_data takes it. Raises
    ResourceError when the path cannot be written."""
    write_text(path, render_page(checked, seed, read))
    return path


def render_page(checked: Checked, seed: int = 0, read: Read | None = None) -> str:
    """The page as text."""
    found, studies = checked.found, checked.studies.studies
    style = files(scoring).joinpath("page", "style.css").read_text() + STYLE
    parts = (
        section("What is worth a look", row_table([row for row in found.rows if row.weight != "fact" and row.count])),
        section("Films, reports and views", histograms(studies, checked.films)),
        section("Labels", label_bars(checked.labels) + label_table(checked)),
        section("The films", ERRS + contact_sheet(studies, checked.films, checked.flags, seed, read)),
        section("Everything that was counted", row_table(found.rows)),
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{text(found.source)} · data check</title>
<style>{style}</style>
</head>
<body>
<header>
<p class="notice">{NOTICE} {CARE}</p>
<h1>{text(found.source)}</h1>
<p class="lead">{len(studies):,} studies · {len(checked.films):,} films, each opened once</p>
<ul class="warnings {"sound" if found.ok else "stop"}"><li>{text(found.verdict)}</li></ul>
</header>
<main>
{"".join(parts)}
</main>
<footer>{NOTICE} {CARE}</footer>
</body>
</html>
"""


def row_table(rows: Sequence[Row]) -> str:
    if not rows:
        return '<p class="note">Nothing.</p>'
    head = "<th>what</th><th>count</th><th></th><th>for example</th>"
    lines = []
    for row in rows:
        ids = ", ".join(row.examples[:SHOWN_IDS]) + (", …" if len(row.examples) > SHOWN_IDS else "")
        weight = {"fact": "", "look": "?", "stop": "<b>!</b>"}[row.weight if row.count else "fact"]
        lines.append(
            f"<tr><th>{text(row.what)}</th><td>{row.count:,}</td><td>{weight}</td><td class='ids'>{text(ids)}</td></tr>"
        )
    return f'<div class="found">{table(head, lines)}</div>'


def label_table(checked: Checked) -> str:
    """Studies that have an observation, by split."""
    counts = checked.labels
    head = "<th>observation</th>" + "".join(
        f"<th>{text(s)} <small>n = {n:,}</small></th>" for s, n in counts.studies.items()
    )
    lines = [
        f"<tr><th>{text(name)}</th>{''.join(f'<td>{counts.of(name, split):,}</td>' for split in counts.studies)}</tr>"
        for name in OBSERVATIONS
    ]
    note = (
        f"Present findings; uncertain ones are not counted. {counts.given:,} studies bring their labels, "
        f"{counts.read:,} were labelled by reading their report, which errs as docs/protocol.md says."
    )
    return table(head, lines) + f'<p class="note">{note}</p>'
