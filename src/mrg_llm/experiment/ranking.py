"""The arms that others decide: "the better two, without alignment" are known when all that they are chosen among are
done in all seeds. What was chosen once stays chosen, in OUT/chosen.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mrg_llm.errors import SettingsError
from mrg_llm.experiment.cells import cells_of
from mrg_llm.experiment.figures import Judge, figures
from mrg_llm.experiment.plan import Arm, Planned
from mrg_llm.experiment.results import write_json

CHOSEN = "chosen.json"


def with_chosen(planned: Planned, out: Path) -> Planned:
    """With the choices that were made before."""
    path = out / CHOSEN
    return replace(planned, chosen=tuple(json.loads(path.read_text()).items())) if path.is_file() else planned


def decidable(planned: Planned, out: Path) -> list[Arm]:
    """The arms that can be chosen now."""
    return [
        arm
        for arm in planned.experiment.arm
        if planned.waits_for(arm) and all(cell.done("val") for cell in cells_among(planned, arm, out))
    ]


def choose(planned: Planned, out: Path, judge: Judge) -> Planned:
    """Choose them by the validation figure that the experiment names."""
    chosen = dict(planned.chosen)
    for arm in decidable(planned, out):
        measured: dict[str, dict] = {}
        for cell in cells_among(planned, arm, out):
            measured.setdefault(cell.arm.name, {})[cell.seed] = judge.of_cell(cell, "val")
        order = sorted(measured, key=lambda name: worth(planned.experiment.choose, figures(measured[name], 0)))
        chosen[arm.name] = order[-arm.best]
    write_json(out / CHOSEN, chosen)
    return with_chosen(planned, out)


def cells_among(planned: Planned, arm: Arm, out: Path):
    among = [planned.experiment.named(name) for name in arm.among]
    return cells_of(planned, out, planned.experiment.seeds, among)


def worth(name: str, found: dict[str, dict[str, dict]]) -> float:
    """The larger the better. Of several protocols the first counts."""
    values = {key: entry["value"] for group in reversed(list(found.values())) for key, entry in group.items()}
    if name not in values:
        raise SettingsError(f"arms cannot be ranked by choose = '{name}'; there are {', '.join(sorted(values))}")
    return -values[name] if name == "loss" else values[name]
