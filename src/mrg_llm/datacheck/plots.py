"""Histograms and bars as inline SVG by matplotlib, in the page's own colours, so that light, dark and print all fit."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mrg_llm.datacheck.labels import LabelCounts
from mrg_llm.datacheck.opening import FilmFacts
from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.studies.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What matplotlib draws with -> what the page's style sheet calls it.
INK, SOFT, LINE = "#010101", "#010102", "#010103"
SPLIT_COLOURS = {"train": "#010104", "val": "#010105", "test": "#010106", "no split": "#010107"}
COLOURS = {
    INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", "#010104": "var(--ours)", "#010105": "var(--r0)",
    "#010106": "var(--r2)", "#010107": "var(--soft)",
}  # fmt: skip


def histograms(studies: Sequence[Study], films: Sequence[FilmFacts]) -> str:
    """Sizes, shapes, brightness and contrast of films; words of reports; views of studies. Stacked by split."""
    readable = [film for film in films if film.looks]

    def by_split(value: Callable[[FilmFacts], float]) -> dict[str, list[float]]:
        return split_values((studies[film.study].split, value(film)) for film in readable)

    words = split_values((s.split, float(len((s.report or "").split()))) for s in studies)
    views = split_values((s.split, float(len(s.views))) for s in studies)

    def draw(axes: Any) -> None:
        flat = axes.ravel()
        histogram(flat[0], "longer side of films, pixels", by_split(lambda f: max(f.height, f.width)))
        histogram(flat[1], "width over height of films", by_split(lambda f: f.width / f.height))
        histogram(flat[2], "brightness of films (mean, 0 to 1)", by_split(lambda f: f.brightness))
        histogram(flat[3], "contrast of films (standard deviation)", by_split(lambda f: f.contrast))
        histogram(flat[4], "words a report", words)
        whole_numbers(flat[5], "views a study", views)

    known = "; ".join(f"{name}: {len(values):,} studies" for name, values in words.items())
    return legend(words) + svg(draw, f"Histograms by split. {known}", rows=2, columns=3, size=(10.6, 5.2))


def label_bars(counts: LabelCounts) -> str:
    """Share of each split's labelled studies that have an observation."""
    splits = ordered(counts.studies)
    height = 0.8 / max(1, len(splits))

    def draw(axis: Any) -> None:
        for n, split in enumerate(splits):
            shares = [100 * counts.of(name, split) / counts.studies[split] for name in OBSERVATIONS]
            places = [i + (n - (len(splits) - 1) / 2) * height for i in range(len(OBSERVATIONS))]
            axis.barh(places, shares, height=height * 0.92, color=colour(split))
        axis.set_yticks(range(len(OBSERVATIONS)), OBSERVATIONS)
        axis.invert_yaxis()
        axis.set_xlabel("% of the split's labelled studies")
        axis.xaxis.grid(True, color=LINE)
        axis.tick_params(axis="y", length=0, labelsize=11, labelcolor=INK)

    return legend(counts.studies) + svg(draw, "Observations by split", size=(10.6, 5.6))


def histogram(axis: Axes, title: str, values: Mapping[str, list[float]]) -> None:
    bare(axis, title)
    if not any(values.values()):
        return
    every = [value for part in values.values() for value in part]
    low, high = min(every), max(every)
    if high - low < 1e-6 * max(1.0, abs(high)):  # all the same: one bar, not a tenth of a bar
        low, high = low - 0.5, high + 0.5
        axis.set_xticks([every[0]])
    axis.hist(list(values.values()), bins=30, range=(low, high), stacked=True, color=[colour(s) for s in values])


def whole_numbers(axis: Axes, title: str, values: Mapping[str, list[float]]) -> None:
    """A bar for each whole number."""
    bare(axis, title)
    bottom: Counter[int] = Counter()
    for split, part in values.items():
        counts = Counter(int(value) for value in part)
        axis.bar(list(counts), list(counts.values()), 0.7, [bottom[n] for n in counts], color=colour(split))
        bottom.update(counts)
    axis.set_xticks(sorted(bottom))


def bare(axis: Axes, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=11, color=INK)


def svg(draw: Callable[[Any], None], title: str, size: tuple[float, float], rows: int = 1, columns: int = 1) -> str:
    """A figure as an SVG element that may stand in a page beside others. draw: given the axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    styles: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif", "text.color": INK,
        "axes.labelcolor": SOFT, "xtick.color": SOFT, "ytick.color": SOFT, "axes.edgecolor": LINE,
        "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.axisbelow": True,
        "figure.constrained_layout.hspace": 0.06, "xtick.labelsize": 9.5, "ytick.labelsize": 9.5,
    }  # fmt: skip
    stream = io.StringIO()
    with matplotlib.rc_context(styles):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots(rows, columns))
        for axis in figure.axes:
            axis.patch.set_alpha(0)
        figure.patch.set_alpha(0)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    picture = stream.getvalue()
    picture = picture[picture.index("<svg") :].replace(
        "<svg ", f'<svg class="plot" role="img" aria-label="{title}" ', 1
    )
    for drawn, named in COLOURS.items():
        picture = picture.replace(drawn, named)
    return f"<figure>{picture}</figure>"


def legend(splits: Mapping[str, object]) -> str:
    swatch = '<svg class="key" viewBox="0 0 16 16"><rect x="1" y="3" width="14" height="10" fill="{}"/></svg>'
    items = "".join(f"<span>{swatch.format(COLOURS[colour(split)])}{split}</span>" for split in ordered(splits))
    return f'<figcaption class="legend">{items}</figcaption>'


def split_values(pairs) -> dict[str, list[float]]:
    """(split or None, value) pairs -> split -> values, splits in their usual order."""
    found: dict[str, list[float]] = {}
    for split, value in pairs:
        found.setdefault(split or "no split", []).append(value)
    return {split: found[split] for split in ordered(found)}


def ordered(splits: Mapping[str, object]) -> list[str]:
    return [split for split in SPLIT_COLOURS if split in splits]


def colour(split: str) -> str:
    return SPLIT_COLOURS[split]
