"""A `ScoreBoard` -> the table in the terminal: the system, its rivals, and what to know before believing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from mrg_llm.scoring.scoreboard import LABELS, Rival, ScoreBoard
from mrg_llm.scoring.statistics import Difference, Interval

SHOWN = ("findings", "views")  # of the breakdowns; the page and scores.json have them all


def print_board(board: ScoreBoard, console: Console | None = None) -> None:
    """Print the main table, the breakdown, the diagnostics and every warning."""
    console = console or Console()
    console.print(main_table(board))
    if board.protocols:
        console.print(protocols_table(board))
    console.print(breakdown_table(board))
    console.print(diagnostics_table(board))
    for warning in board.warnings:
        console.print(f"[yellow]![/] {warning}", highlight=False)
    for what, why in board.skipped.items():
        console.print(f"[dim]left out: {what}: {why}[/]", highlight=False)
    console.print(f"[dim]protocol {board.protocol}: {board.protocol_words}[/]", highlight=False)
    if board.labeler:
        console.print(f"[dim]labeler, F1 of present findings: {labeler_in_short(board.labeler)}[/]", highlight=False)


def labeler_in_short(quality: Mapping[str, Any]) -> str:
    """How well the labeler reads, against each thing it was measured on."""
    said = []
    for what, measured in measured_on(quality):
        micro = measured["present"]["micro"]
        said.append(f"{micro['f1']:.2f} on {what}")
    return "; ".join(said)


def measured_on(quality: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(what, counts) of rules/quality.json."""
    places = (("reports read by people", quality), ("phantom reports", quality.get("phantoms")),
              ("IU X-ray reports by their indexers' tags", quality.get("tags")))  # fmt: skip
    return [(f"{part['n']:,} {what}", part) for what, part in places if part and part.get("present")]


def main_table(board: ScoreBoard) -> Table:
    """Values with 95 % intervals; beside each rival's value, whether ours differs (Holm-corrected p below 0.05)."""
    table = Table(title=f"{board.name}: {board.n} studies, protocol {board.protocol}", caption="95 % intervals; "
                  "* differs from the system (approximate randomization, Holm over the rows, p < 0.05)")  # fmt: skip
    table.add_column("metric")
    table.add_column("system", justify="right")
    rivals = board.rivals
    for name in rivals:
        table.add_column(name, justify="right")
    for metric, interval in board.metrics.items():
        table.add_row(
            LABELS.get(metric, metric), _interval(interval), *(_rival(rival, metric) for rival in rivals.values())
        )
    return table


def protocols_table(board: ScoreBoard) -> Table:
    """The same outputs under several protocols; a second row a metric for the constant report, where there is one."""
    table = Table(title="what the protocol does to the same outputs")
    columns = {board.protocol: board.in_short()} | board.protocols
    table.add_column("metric")
    for name in columns:
        table.add_column(name, justify="right")
    for metric in next(iter(columns.values())).system:
        table.add_row(LABELS.get(metric, metric), *(_interval(c.system[metric]) for c in columns.values()))
        if all("constant" in c.rivals for c in columns.values()):
            constants = (_interval(c.rivals["constant"][metric]) for c in columns.values())
            table.add_row("[dim]  constant report[/]", *constants)
    return table


def breakdown_table(board: ScoreBoard) -> Table:
    table = Table(title="by group")
    table.add_column("metric")
    groups = [
        (f"{group} ({part['n']})", part["metrics"])
        for name, by in board.breakdown.items()
        if name in SHOWN and len(by) > 1
        for group, part in by.items()
    ]
    for name, _ in groups:
        table.add_column(name, justify="right")
    for metric in board.metrics:
        table.add_row(LABELS.get(metric, metric), *(_interval(Interval(**metrics[metric])) for _, metrics in groups))
    return table


def diagnostics_table(board: ScoreBoard) -> Table:
    table = Table("what the outputs are like", "outputs", "references")
    for d in board.diagnostics.values():
        table.add_row(d.what, d.shown(d.value), d.shown(d.reference))
    return table


def _rival(rival: Rival, metric: str) -> str:
    value: Interval = rival.sections["metrics"][metric]
    difference: Difference = rival.ours_minus_theirs["metrics"][metric]
    return f"{value.value:.3f}{'*' if difference.p_holm < 0.05 else ' '}"


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} [dim]{interval.low:.3f}-{interval.high:.3f}[/]"
