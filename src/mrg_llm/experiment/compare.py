"""Is it reproduced? The figures of two NAME.json, one by one.

Tolerance: a figure agrees that lies in the stored 95 % interval, widened by SLACK at both ends (another machine adds
numbers in another order, and greedy search then writes other words now and then). Trained parameters and numbers of
studies have to be equal. Time and memory are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from mrg_llm.errors import InputError
from mrg_llm.settings import Settings, dotted

SLACK = 0.005
TOLERANCE = f"a figure agrees that lies in the stored 95 % interval, widened by {SLACK} at both ends"


@dataclass(frozen=True)
class Compared:
    """One figure. stored, low, high: what is stored, with its interval. found: None where it was not measured now."""

    what: str
    stored: float
    low: float
    high: float
    found: float | None

    @property
    def agrees(self) -> bool:
        return self.found is not None and self.low - SLACK <= self.found <= self.high + SLACK

    def __str__(self) -> str:
        now = "was not measured" if self.found is None else f"is {self.found:.4f} now"
        return f"{self.what} {now}; stored: {self.stored:.4f} ({self.low:.4f} to {self.high:.4f})"


def compared(ours: dict[str, Any], theirs: dict[str, Any], where: str) -> list[Compared]:
    """All stored figures beside ours. where: what the stored ones are called. Raises InputError where the two are not
    of one experiment."""
    refuse_other_experiment(ours["experiment"], ours["data"], theirs, where)
    for name, arm in theirs["trained"].items():
        own = ours["trained"].get(name)
        if own and "settings" in arm and (key := other_setting(own["settings"], arm["settings"])):
            raise InputError(f"{where} cannot be compared: the arm {name} was trained with another {key} there")
    return [*of_training(ours, theirs), *of_splits(ours, theirs)]


def refuse_other_experiment(name: str, data: dict[str, Any], theirs: dict[str, Any], where: str) -> None:
    """What is known before anything is trained: figures of another experiment, or of models that learned from, or were
    chosen on, other studies. Raises InputError."""
    if name != theirs["experiment"]:
        raise InputError(f"{where} cannot be compared: it is of the experiment {theirs['experiment']}, not {name}")
    for split, what in (("train", "training"), ("val", "validation")):
        if not same_studies(split, data, theirs["data"]):
            raise InputError(
                f"{where} cannot be compared: its {theirs['data'][split]} {what} studies are others than the "
                f"{data[split]} here, or their reports are"
            )


def same_studies(split: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return ours["reports_sha256"][split] == theirs.get("reports_sha256", {}).get(split)


def other_setting(ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """The first setting that is not the same, by its dotted name. One that only one side has, since another version
    wrote it, is the same where it stands at its default: a new setting's default is what was done before it."""
    usual = dict(dotted(Settings().model_dump(mode="json")))
    for part in ("arm", "alignment"):
        here, there = dict(dotted(ours[part] or {})), dict(dotted(theirs[part] or {}))
        for key in sorted(here.keys() | there.keys()):
            if here.get(key, usual.get(key)) != there.get(key, usual.get(key)):
                return f"{key} of the alignment" if part == "alignment" else key
    return None


def differing(ours: dict[str, Any], theirs: dict[str, Any], where: str, console: Console) -> list[Compared]:
    """The figures that do not agree, each said on the console. Arguments and errors as of `compared`."""
    both = compared(ours, theirs, where)
    differ = [figure for figure in both if not figure.agrees]
    for figure in differ:
        console.print(f"[yellow]![/] {figure}", highlight=False)
    if "test" in theirs and not same_studies("test", ours["data"], theirs["data"]):
        console.print(
            f"[yellow]![/] test figures are not compared: those of {where} are of {theirs['data']['test']} others",
            highlight=False,
        )
    console.print(f"{len(differ)} of {len(both)} figures differ from {where} ({TOLERANCE})", highlight=False)
    return differ


def of_training(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[Compared]:
    for name, arm in theirs["trained"].items():
        own = ours["trained"].get(name, {}).get("parameters", {})
        for part, count in arm.get("parameters", {}).items():
            yield exact(f"{name}: trained parameters, {part}", count, own.get(part))


def of_splits(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[Compared]:
    for split in ("val", "test"):
        if split not in theirs or not same_studies(split, ours["data"], theirs["data"]):
            continue
        here = ours.get(split, {"arms": {}, "baselines": {}, "n": None})
        yield exact(f"{split}: studies", theirs[split]["n"], here["n"])
        others = here["arms"] | here["baselines"]
        for name, system in (theirs[split]["arms"] | theirs[split]["baselines"]).items():
            figures = others.get(name, {}).get("figures", {})
            for group, metrics in system["figures"].items():
                for metric, value in metrics.items():
                    own = figures.get(group, {}).get(metric, {}).get("value")
                    yield Compared(
                        f"{split}: {name}: {group}: {metric}", value["value"], value["low"], value["high"], own
                    )


def exact(what: str, stored: float, found: float | None) -> Compared:
    """One that has no interval: all counts differ by more than the slack, or not at all."""
    return Compared(what, stored, stored, stored, found)


def read_results(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not {"experiment", "data", "trained", "val"} <= found.keys():
            raise ValueError
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not the figures of an experiment; give a NAME.json that 'mrg experiment' wrote"
        ) from error
    return found
