"""Values with intervals -> inline SVG whose colours are the page's own, so that light, dark and print all fit."""

from __future__ import annotations

import html

from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.scoring.scoreboard import LABELS, Rival, ScoreBoard
from mrg_llm.scoring.statistics import Interval

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 190, 70, 24, 26
_SHAPES = {
    "diamond": "M{x} {t}L{r} {y}L{x} {b}L{l} {y}Z",
    "square": "M{l} {t}H{r}V{b}H{l}Z",
    "up": "M{x} {t}L{r} {b}H{l}Z",
    "down": "M{x} {b}L{r} {t}H{l}Z",
    "cross": "M{l} {t}L{r} {b}M{r} {t}L{l} {b}",
}


def summary_plot(board: ScoreBoard) -> str:
    """A row a metric: the system's value and interval, and a mark for each rival."""
    rivals = board.rivals
    shapes = {name: list(_SHAPES)[i % len(_SHAPES)] for i, name in enumerate(rivals)}
    rows = []
    for metric, value in board.metrics.items():
        others = {name: rival.sections["metrics"][metric] for name, rival in rivals.items()}
        scale = 1.0 if max(value.high, *(o.value for o in others.values()), 0) <= 1 else 10.0
        label = LABELS.get(metric, metric) + (" (0–10)" if scale == 10 else "")
        rows.append((label, "", value, others, scale))
    return _plot("Values of the system and of what it stands beside", rows, shapes, bars=False)


def observation_plot(board: ScoreBoard) -> str:
    """A bar an observation: F1 with uncertain as absent, how often people report it, and the rivals' F1."""
    rivals: dict[str, Rival] = board.baselines | board.comparisons
    shapes = {name: list(_SHAPES)[i % len(_SHAPES)] for i, name in enumerate(rivals)}
    rows = []
    for c, observation in enumerate(OBSERVATIONS):
        key = f"absent/observation/{observation}/f1"
        present = sum(study.reference_labels[c] == 1 for study in board.studies)
        others = {name: rival.sections["clinical"][key] for name, rival in rivals.items()}
        rows.append((observation, f"n = {present}", board.sections["clinical"][key], others, 1.0))
    caption = '<p class="note">F1 of each observation; n: studies whose reference reports it as present.</p>'
    return _plot("F1 of each observation", rows, shapes, bars=True) + caption


def _plot(
    title: str, rows: list[tuple[str, str, Interval, dict[str, Interval], float]], shapes: dict[str, str], bars: bool
) -> str:
    height = TOP + ROW * len(rows) + 22
    parts = [_legend(shapes, bars)]
    parts.append(f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(title)}">')
    for tick in range(0, 11, 2):
        x = _x(tick / 10)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{height - 18}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{height - 4}" text-anchor="middle">{tick / 10:.1f}</text>')
    for i, (label, aside, value, others, scale) in enumerate(rows):
        y = TOP + ROW * i + ROW / 2 - 6
        parts.append(f'<text class="label" x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{html.escape(label)}</text>')
        parts.append(f'<text class="aside" x="{WIDTH - 4}" y="{y + 4}" text-anchor="end">')
        parts.append(f"{html.escape(aside) or f'{value.value:.3f}'}</text>")
        middle, low, high = (_x(v / scale) for v in (value.value, value.low, value.high))
        if bars:
            parts.append(f'<rect class="bar" x="{LEFT}" y="{y - 6}" width="{max(middle - LEFT, 0):.1f}" height="12"/>')
        for n, (name, other) in enumerate(others.items()):
            parts.append(f'<path class="rival r{n % 5}" d="{_mark(shapes[name], _x(other.value / scale), y)}">')
            parts.append(f"<title>{html.escape(name)} {other.value:.3f}</title></path>")
        parts.append(f'<line class="interval" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>')
        if not bars:
            parts.append(f'<circle class="ours" cx="{middle}" cy="{y}" r="4.5"/>')
    parts.append("</svg>")
    return f"<figure>{''.join(parts)}</figure>"


def _legend(shapes: dict[str, str], bars: bool) -> str:
    swatch = '<svg class="key" viewBox="0 0 16 16">{}</svg>'
    ours = (
        '<rect class="bar" x="1" y="4" width="14" height="8"/>'
        if bars
        else '<circle class="ours" cx="8" cy="8" r="4.5"/>'
    )
    items = [swatch.format(ours) + "system"]
    for n, (name, shape) in enumerate(shapes.items()):
        items.append(swatch.format(f'<path class="rival r{n % 5}" d="{_mark(shape, 8, 8)}"/>') + html.escape(name))
    return '<figcaption class="legend">' + "".join(f"<span>{item}</span>" for item in items) + "</figcaption>"


def _mark(shape: str, x: float, y: float) -> str:
    s = 4.5
    return _SHAPES[shape].format(x=x, y=y, l=x - s, r=x + s, t=y - s, b=y + s)


def _x(share: float) -> float:
    return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)
