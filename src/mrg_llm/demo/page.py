"""The demo's result as one self-contained HTML page: the proof, the scores, films with what was written of them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from rich.console import Console

from mrg_llm.model.nearest import nearest_training_films
from mrg_llm.scored import thumbnails
from mrg_llm.scoring import Output, ScoreBoard, Training, outputs, print_board, score_run
from mrg_llm.scoring.findings import written_findings
from mrg_llm.scoring.scoreboard import LABELS
from mrg_llm.studies.study import Finding, Study, StudySet
from mrg_llm.training.checkpoint import write_file

if TYPE_CHECKING:
    from mrg_llm.demo.story import DemoResult

SHOWN = 24  # test studies on the page: the first ones, not the best ones
BEST = "prompt-wise"


def write_page(out: Path, result: DemoResult, phantoms: StudySet, console: Console) -> Path:
    """Score the customized model beside baselines, and write OUT/index.html and OUT/scores.json."""
    board = score(result, phantoms)
    print_board(board, console)
    board.save(out / "scores.json")
    body = "\n".join(
        [
            heading(result), proof(result), findings_table(result), score_table(board), curves(result),
            *studies(result), seconds(result),
        ]
    )  # fmt: skip
    template = Template((resources.files("mrg_llm.demo") / "page.html").read_text())
    write_file(out / "index.html", template.substitute(body=body).encode())
    return out / "index.html"


def score(result: DemoResult, phantoms: StudySet) -> ScoreBoard:
    def of(system: str):
        rows = zip(result.studies, result.reports[system], strict=True)
        return outputs(system, [Output(s.id, text, s.report, "test", len(s.views)) for s, text in rows])

    swapped = next(name for name in result.reports if "swapped" in name)
    return score_run(
        of(BEST), "full", training=Training.of(phantoms),
        nearest=nearest_training_films(result.studies, phantoms.split("train")), against=[of("static")],
        controls={"swapped": of(swapped)},
    )  # fmt: skip


def heading(result: DemoResult) -> str:
    hurried = (
        f'<p class="notice">Hardly trained: this machine had time for {result.budget.share:.0%} of the steps, so these '
        f"reports show what it does, not what it can. <code>mrg demo --minutes 0 --out demo-whole</code> takes about "
        f"{result.budget.whole_minutes:.0f} minutes.</p>"
        if result.budget.share < 0.5
        else ""
    )
    return f"""<h1>mrg-llm on {len(result.studies)} phantom test studies</h1>
<p class="notice">Research use only, not a medical device.</p>{hurried}
<p>Chest films drawn from an anatomical model, so that what is truly there is known. A frozen language model wrote the
reports; trained were only a vision encoder, a projection, and prompts that each film customizes for itself.</p>"""


def proof(result: DemoResult) -> str:
    bars = "".join(
        f'<div class="bar{"" if system == BEST else " weak"}"><span>{escape(system)}</span>'
        f'<i style="width:{100 * scores["all"].f1:.1f}%"></i><b>{scores["all"].f1:.3f}</b></div>'
        for system, scores in result.findings.items()
    )
    return f"""<h2>Does it look at the film?</h2>
<p>F1 of the findings named in the report against the findings drawn into the film. With the films swapped between
studies it must fall: what is left then is what can be had without looking.</p><div class="bars">{bars}</div>"""


def findings_table(result: DemoResult) -> str:
    systems = list(result.findings)
    head = "".join(f"<th>{escape(s)}</th>" for s in systems)
    names = [n for n in result.findings[systems[0]] if n != "all"]
    truths = {n: sum(any(f.observation == n for f in s.truth or ()) for s in result.studies) for n in names}
    rows = "".join(
        f'<tr{" class=all" if n == "all" else ""}><td>{escape(n)}</td><td>{truths.get(n, sum(truths.values()))}</td>'
        + "".join(f"<td>{result.findings[s][n].f1:.3f}</td>" for s in systems) + "</tr>"
        for n in (*names, "all")
    )  # fmt: skip
    return f'<div class="scroll"><table><tr><th>finding (F1)</th><th>in test</th>{head}</tr>{rows}</table></div>'


def score_table(board: ScoreBoard) -> str:
    columns = {**board.baselines, **board.comparisons, **board.controls}
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    rows = ""
    for metric, own in board.metrics.items():
        others = "".join(f"<td>{c.sections['metrics'][metric].value:.3f}</td>" for c in columns.values())
        interval = f"<small>{own.low:.3f} to {own.high:.3f}</small>"
        name = escape(LABELS.get(metric, metric))
        rows += f"<tr><td>{name}</td><td><b>{own.value:.3f}</b> {interval}</td>{others}</tr>"
    skipped = "".join(f"<li>{escape(m)} was left out: {escape(why)}</li>" for m, why in board.skipped.items())
    return f"""<h2>Scores</h2><p>Protocol <b>{escape(board.protocol)}</b>: {escape(board.protocol_words)}
95 % intervals by bootstrap over studies.</p><div class="scroll"><table><tr><th>metric</th>
<th>{escape(board.name)}</th>{head}</tr>{rows}</table></div><ul class="quiet">{skipped}</ul>"""


def curves(result: DemoResult) -> str:
    """Training losses as inline SVG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9.5, 2.8), layout="constrained")
    for name, path in result.journals.items():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for axis, key in zip(axes, ("report", "local"), strict=True):
            points = [(e["step"], e[key]) for e in lines if key in e]
            if points:
                axis.plot(*zip(*points, strict=True), label=name, linewidth=1.4)
    axes[0].set(title="stage 3: nats a report token", xlabel="step")
    axes[1].set(title="stages 2 and 3: is this sentence true of this film?", xlabel="step")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.patch.set_alpha(0)
        axis.legend(frameon=False)
    figure.patch.set_alpha(0)
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mrg"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    plt.close(figure)
    svg = stream.getvalue()
    return "<h2>Training</h2>" + svg[svg.index("<svg") :].replace("#000000", "currentColor")


def studies(result: DemoResult) -> list[str]:
    yield_ = [f"<h2>The first {min(SHOWN, len(result.studies))} test studies</h2>"]
    observations = [n for n in next(iter(result.findings.values())) if n != "all"]
    for i, study in enumerate(result.studies[:SHOWN]):
        yield_.append(study_block(study, {s: texts[i] for s, texts in result.reports.items()}, observations))
    return yield_


def study_block(study: Study, texts: dict[str, str], observations: Sequence[str]) -> str:
    films = "".join(
        f'<img alt="{view.projection} film" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        for view, data in zip(study.views, thumbnails(study), strict=True)
    )
    named = written_findings(texts[BEST], observations)
    truth = {f.observation: f for f in study.truth or ()}
    chips = "".join(chip("found" if o in named else "missed", spoken(truth[o])) for o in truth)
    chips += "".join(chip("invented", o) for o in sorted(named - truth.keys()))
    chips = chips or chip("found", "nothing to find, nothing named")
    blocks = "".join(
        f"<h3>{escape(name)}</h3><p>{escape(text)}</p>"
        for name, text in (("reference", study.report or ""), *((s, texts[s]) for s in texts if "swapped" not in s))
    )
    return f'<div class="study"><div class="films">{films}</div><div>{chips}{blocks}</div></div>'


def chip(kind: str, text: str) -> str:
    label = text if kind == "found" else f"{kind}: {text}"
    return f'<span class="chip {kind}">{escape(label)}</span>'


def spoken(finding: Finding) -> str:
    return " ".join(part for part in (finding.size, finding.side, finding.site, finding.name) if part)


def seconds(result: DemoResult) -> str:
    rows = "".join(f"<tr><td>{escape(step)}</td><td>{s:.0f} s</td></tr>" for step, s in result.seconds.items())
    total = sum(result.seconds.values())
    cut = (
        f"<p>This machine had time for {result.budget.share:.0%} of the recipe's steps; all of them take about "
        f"{result.budget.whole_minutes:.0f} minutes on it (<code>mrg demo --minutes 0</code>).</p>"
        if result.budget.share < 1
        else ""
    )
    return f"<h2>Time</h2>{cut}<table>{rows}<tr class=all><td>all</td><td>{total:.0f} s</td></tr></table>"
