"""A result -> an SVG: bars of the systems with their rounds and floors, or curves where an axis is counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

STYLE = {"svg.hashsalt": "mrg-llm", "axes.spines.top": False, "axes.spines.right": False}  # the same file every time


def draw(result: Mapping[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sections = result.get("sections", {})
    parts = {"": result} if "systems" in result else {}
    parts |= {name: {**result, **part} for name, part in sections.items() if "systems" in part}
    if not parts:
        return
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(len(parts), 1, figsize=(7, 2.2 * len(parts)), layout="constrained", squeeze=False)
        for axis, (name, part) in zip(axes[:, 0], parts.items(), strict=True):
            (curve if "x" in part else bars)(axis, part)
            axis.set_title(name, fontsize=9)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def bars(axis, part: Mapping[str, Any]) -> None:
    for place, (name, system) in enumerate(part["systems"].items()):
        axis.barh(place, system["median"], color="tab:blue" if name.startswith("mrg") else "tab:gray")
        axis.plot(system["rounds"], [place] * len(system["rounds"]), "k.", markersize=3)
        if floor := part.get("floors", {}).get(name):
            axis.plot([floor["value"]] * 2, [place - 0.4, place + 0.4], "--", color="tab:red")
    axis.set(xlabel=part["unit"], yticks=range(len(part["systems"])), yticklabels=list(part["systems"]))
    axis.invert_yaxis()


def curve(axis, part: Mapping[str, Any]) -> None:
    counts = [float(name) for name in part["systems"]]
    axis.plot(counts, [system["median"] for system in part["systems"].values()], "o-", color="tab:blue")
    for count, system in zip(counts, part["systems"].values(), strict=True):
        axis.plot([count] * len(system["rounds"]), system["rounds"], "k.", markersize=3)
    axis.set(xlabel=part["x"], ylabel=part["unit"])
    axis.set_ylim(bottom=0)
