"""NAME.json -> NAME-validation.svg: validation loss, and what the right film is worth, against steps; a thick
line an arm (the mean of its seeds), a thin one a seed; arms side by side where each run was validated once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from mrg_llm.training.checkpoint import write_file

PANELS = ((1, "validation loss, nats a token"), (2, "what the right film is worth, nats a token"))
STYLES = ("-", "--", ":", "-.")  # colours come again after ten arms


def write_plots(found: dict[str, Any], out: Path) -> Path:
    """Raises ResourceError where it cannot be written."""
    path = out / f"{found['experiment']}-validation.svg"
    write_file(path, validation_svg(found).encode())
    return path


def validation_svg(found: dict[str, Any]) -> str:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mrg", "font.size": 9}):
        figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
        arms = {name: arm["curves"] for name, arm in found["trained"].items() if arm.get("curves")}
        once = all(len(curve) < 2 for curves in arms.values() for curve in curves.values())
        for axis, (column, title) in zip(axes, PANELS, strict=True):
            (last_values if once else courses)(axis, arms, column)
            axis.set(title=title)
            axis.spines[["top", "right"]].set_visible(False)
        if not once:
            axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
        plt.close(figure)
    return stream.getvalue()


def courses(axis, arms: dict[str, dict[str, list[list[float]]]], column: int) -> None:
    """A line an arm over steps, thin ones for its seeds."""
    for number, (name, curves) in enumerate(arms.items()):
        style = {"color": f"C{number % 10}", "linestyle": STYLES[number // 10 % len(STYLES)]}
        for curve in curves.values():
            steps, values = [row[0] for row in curve], [row[column] for row in curve]
            axis.plot(steps, values, **style, alpha=0.4, lw=0.7, marker="_" if len(curve) < 2 else None)
        steps, means = mean_curve(list(curves.values()), column)
        axis.plot(steps, means, **style, label=name, lw=1.7, marker="." if len(steps) < 2 else None)
    axis.set(xlabel="step")


def last_values(axis, arms: dict[str, dict[str, list[list[float]]]], column: int) -> None:
    """Where each run was validated once, a course says nothing: an arm a place, a stroke a seed, a dot their mean."""
    for number, curves in enumerate(arms.values()):
        values = [curve[-1][column] for curve in curves.values() if curve]
        axis.plot([number] * len(values), values, "_", color=f"C{number % 10}", ms=14)
        if values:
            axis.plot([number], [sum(values) / len(values)], "o", color=f"C{number % 10}")
    steps = sorted({int(curve[-1][0]) for curves in arms.values() for curve in curves.values() if curve})
    axis.set(
        xticks=range(len(arms)), xlabel=f"after {' or '.join(map(str, steps))} steps", xlim=(-0.5, len(arms) - 0.5)
    )
    axis.set_xticklabels(list(arms), rotation=20, ha="right")


def mean_curve(curves: list[list[list[float]]], column: int) -> tuple[list[float], list[float]]:
    """Steps at which every seed was validated, and the mean there."""
    by_step = [{row[0]: row[column] for row in curve} for curve in curves]
    steps = sorted(set.intersection(*(set(points) for points in by_step))) if by_step else []
    return steps, [sum(points[step] for points in by_step) / len(by_step) for step in steps]
