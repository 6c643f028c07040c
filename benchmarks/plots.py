"""A result's parts -> an SVG: bars of the systems with their rounds and floors, or curves where an axis is counted, or
what was foretold beside what came."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STYLE = {"svg.hashsalt": "mrg-llm", "axes.spines.top": False, "axes.spines.right": False}  # the same file every time


def draw(parts: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(len(parts), 1, figsize=(7, 2.2 * len(parts)), layout="constrained", squeeze=False)
        for axis, (name, part) in zip(axes[:, 0], parts.items(), strict=True):
            foretold = all("foretold" in system for system in part["systems"].values())
            counted = "x" in part and all(name.isdecimal() for name in part["systems"])
            (curve if counted else predictions if foretold else bars)(axis, part)
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


def predictions(axis, part: Mapping[str, Any], aim: float = 0.25) -> None:
    """Seconds and gigabytes have no common axis; how far each was foretold has."""
    axis.axvspan(1 - aim, 1 + aim, color="tab:green", alpha=0.15)
    axis.axvline(1, color="tab:green")
    axis.plot([system["foretold"] / system["came"] for system in part["systems"].values()], list(part["systems"]), "ko")
    axis.set(xlabel=f"foretold by came (band: within {aim:.0%})", xlim=(0, 2))
    axis.invert_yaxis()


def curve(axis, part: Mapping[str, Any]) -> None:
    counts = [float(name) for name in part["systems"]]
    axis.plot(counts, [system["median"] for system in part["systems"].values()], "o-", color="tab:blue")
    for count, system in zip(counts, part["systems"].values(), strict=True):
        axis.plot([count] * len(system["rounds"]), system["rounds"], "k.", markersize=3)
    axis.set(xlabel=part["x"], ylabel=textwrap.fill(part["unit"], 26))
    axis.set_ylim(bottom=0)
