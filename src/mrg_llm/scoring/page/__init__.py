"""A `ScoreBoard` -> one HTML file that needs nothing else: plots, tables and every study side by side.

The file asks no other computer for anything (its content security policy forbids it), follows the reader's light or
dark setting, prints, and pages through thousands of studies with a small script of its own (style.css and script.js in
this folder). It holds report text and, where films are given, thumbnails: treat it like the data it was made from.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from mrg_llm.scoring.agreement import UNCERTAIN_AS
from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.scoring.outputs import write_text
from mrg_llm.scoring.page.plots import observation_plot, summary_plot
from mrg_llm.scoring.page.studies import Films, study_rows
from mrg_llm.scoring.scoreboard import LABELS, Rival, ScoreBoard
from mrg_llm.scoring.statistics import Interval
from mrg_llm.scoring.terminal import labeler_in_short, measured_on

NOTICE = "Research use only, not a medical device."
MOST_COLUMNS = 5  # more groups stand in rows
CLINICAL_SIZES = {"14": "all 14 observations", "13": "13 findings, without No Finding", "5": "five observations"}


def write_page(board: ScoreBoard, path: str | Path, films: Films | None = None) -> Path:
    """Write the page, whole or not at all.

    films: study id -> its films as PNG or JPEG bytes; asked for the worst and the best studies only. Raises
    ResourceError when the path cannot be written.
    """
    write_text(Path(path), render_page(board, films))
    return Path(path)


def render_page(board: ScoreBoard, films: Films | None = None) -> str:
    """The page as text."""
    assets = files(__package__)
    data = {"studies": study_rows(board, films), "labels": LABELS}
    parts = (
        section("What it scores", summary_plot(board) + metric_table(board) + protocols_table(board)),
        section("Which findings it reports", observation_plot(board) + clinical_details(board)),
        section("Where it does better and worse", breakdown_table(board)),
        section("What its outputs are like", diagnostics_table(board)),
        section("Study by study", (assets / "browser.html").read_text()),
        section("How this was measured", method(board)),
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>{text(board.name)} · scores</title>
<style>{(assets / "style.css").read_text()}</style>
</head>
<body>
<header>
<p class="notice">{NOTICE}</p>
<h1>{text(board.name)}</h1>
<p class="lead">{board.n:,} studies · protocol <b>{text(board.protocol)}</b> · 95 % intervals from {board.draws:,}
bootstrap draws</p>
{warning_list(board.warnings)}
</header>
<main>
{"".join(parts)}
</main>
<footer>{NOTICE} Made with mrg-llm {text(board.versions["mrg-llm"])}.</footer>
<script type="application/json" id="data">{script_json(data)}</script>
<script>{(assets / "script.js").read_text()}</script>
</body>
</html>
"""


def section(title: str, content: str) -> str:
    return f"<section><h2>{text(title)}</h2>{content}</section>\n"


def warning_list(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return '<ul class="warnings">' + "".join(f"<li>{text(w)}</li>" for w in warnings) + "</ul>"


def metric_table(board: ScoreBoard) -> str:
    """The main table; a rival's value has a star where it differs from the system's."""
    rivals = board.rivals
    head = "".join(f"<th>{text(name)}</th>" for name in ("metric", "system", *rivals))
    rows = []
    for metric, value in board.metrics.items():
        cells = "".join(f"<td>{rival_cell(rival, metric)}</td>" for rival in rivals.values())
        rows.append(f"<tr><th>{text(LABELS.get(metric, metric))}</th><td>{interval(value)}</td>{cells}</tr>")
    notes = [f"<b>{text(name)}</b>: {text(rival.what)}" for name, rival in rivals.items()]
    if rivals:
        notes.append(
            "* differs from the system on the same studies (approximate randomization, Holm over rows, p < 0.05)"
        )
    notes += [f"left out: {text(what)}: {text(why)}" for what, why in board.skipped.items()]
    return table(head, rows) + "".join(f'<p class="note">{note}</p>' for note in notes)


def protocols_table(board: ScoreBoard) -> str:
    """The same outputs under the other protocols that were asked for."""
    if not board.protocols:
        return ""
    columns = {board.protocol: board.in_short()} | board.protocols
    head = "<th>metric</th>" + "".join(f"<th>{text(name)}</th>" for name in columns)
    rows = []
    for metric in board.in_short().system:
        cells = "".join(f"<td>{interval(column.system[metric])}</td>" for column in columns.values())
        rows.append(f"<tr><th>{text(LABELS.get(metric, metric))}</th>{cells}</tr>")
        if all("constant" in column.rivals for column in columns.values()):
            cells = "".join(f"<td>{interval(column.rivals['constant'][metric])}</td>" for column in columns.values())
            rows.append(f"<tr><th><small>the constant report</small></th>{cells}</tr>")
    notes = "".join(f'<p class="note"><b>{text(n)}</b>: {text(c.words)}</p>' for n, c in columns.items())
    return f"<h3>What the protocol does to the same outputs</h3>{table(head, rows)}{notes}"


def clinical_details(board: ScoreBoard) -> str:
    """Every convention of the literature, folded away."""
    values, blocks = board.sections["clinical"], []
    for convention, meaning in UNCERTAIN_AS.items():
        rows = []
        for size, words in CLINICAL_SIZES.items():
            for average in ("micro", "macro", "example"):
                cells = "".join(
                    f"<td>{interval(values[f'{convention}/{size}/{average}/{m}'])}</td>"
                    for m in ("precision", "recall", "f1")
                )
                rows.append(f"<tr><th>{text(words)}, {average}</th>{cells}</tr>")
        head = "".join(f"<th>{h}</th>" for h in ("average", "precision", "recall", "F1"))
        blocks.append(f"<p>{text(meaning[0].upper() + meaning[1:])}.</p>{table(head, rows)}")
    return f"<details><summary>Every convention of the literature</summary>{''.join(blocks)}</details>"


def breakdown_table(board: ScoreBoard) -> str:
    blocks = []
    for name, groups in board.breakdown.items():
        if len(groups) < 2:
            continue
        heads = {g: f"{text(g)} <small>n = {p['n']}</small>" for g, p in groups.items()}
        cells = {
            (g, m): f"<td>{interval(Interval(**p['metrics'][m]))}</td>"
            for g, p in groups.items()
            for m in board.metrics
        }
        labels = {m: text(LABELS.get(m, m)) for m in board.metrics}
        if len(groups) <= MOST_COLUMNS:
            head = "<th>metric</th>" + "".join(f"<th>{h}</th>" for h in heads.values())
            rows = [f"<tr><th>{labels[m]}</th>{''.join(cells[g, m] for g in groups)}</tr>" for m in board.metrics]
        else:
            head = "<th>group</th>" + "".join(f"<th>{h}</th>" for h in labels.values())
            rows = [f"<tr><th>{heads[g]}</th>{''.join(cells[g, m] for m in board.metrics)}</tr>" for g in groups]
        blocks.append(f"<h3>By {text(name)}</h3>{table(head, rows)}")
    return "".join(blocks) or '<p class="note">All studies are of one kind.</p>'


def diagnostics_table(board: ScoreBoard) -> str:
    head = "<th></th><th>outputs</th><th>references</th>"
    rows = [
        f"<tr><th>{text(d.what)}</th><td>{d.shown(d.value)}</td><td>{d.shown(d.reference)}</td></tr>"
        for d in board.diagnostics.values()
    ]
    return table(head, rows)


def method(board: ScoreBoard) -> str:
    lines = [
        f"<b>Protocol {text(board.protocol)}</b>: {text(board.protocol_words)}. Clinical and anatomical values read "
        "the whole, uncleaned reports, whatever the protocol.",
        "<b>Language metrics</b> equal pycocoevalcap's. CIDEr takes its document frequencies from the references of "
        "this run: it cannot be compared across subsets.",
        "<b>Clinical F1</b> compares the 14 CheXpert observations that a labeler reads out of both reports; not "
        "mentioned counts as absent. The main table counts uncertain as absent." + labeler(board),
        "<b>Anatomy F1</b> compares (site, side, observation, present or absent).",
        f"<b>Intervals</b> are 95 % percentile bootstrap over studies (seed {board.seed}).",
        "Versions: " + text(", ".join(f"{k} {v}" for k, v in board.versions.items())) + ".",
    ]
    return "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def labeler(board: ScoreBoard) -> str:
    """How well the labeler itself reads: in a sentence, and by observation, folded away."""
    if not board.labeler:
        return ""
    known = measured_on(board.labeler)
    head = "<th>observation</th>" + "".join(f"<th>{text(what)}</th>" for what, _ in known)
    rows = []
    for name in (*OBSERVATIONS, "micro"):
        cells = "".join(f"<td>{quality_cell(part['present'].get(name))}</td>" for _, part in known)
        rows.append(f"<tr><th>{text(name)}</th>{cells}</tr>")
    by_observation = f"<details><summary>By observation</summary>{table(head, rows)}</details>"
    return f" The labeler itself, F1 of present findings: {text(labeler_in_short(board.labeler))}.{by_observation}"


def quality_cell(row: Mapping[str, float | None] | None) -> str:
    if row is None or row["f1"] is None:
        return "–"
    return f"{row['f1']:.2f} <small>n = {row['support']}</small>"


def rival_cell(rival: Rival, metric: str) -> str:
    differs = rival.ours_minus_theirs["metrics"][metric].p_holm < 0.05
    return interval(rival.sections["metrics"][metric]) + ("<b>*</b>" if differs else "")


def interval(value: Interval) -> str:
    return f"{value.value:.3f} <small>{value.low:.3f}–{value.high:.3f}</small>"


def table(head: str, rows: Sequence[str]) -> str:
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def text(value: str) -> str:
    return html.escape(value)


def script_json(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    escaped = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return escaped
