"""What was asked of an experiment, and what can be refused before hours are spent on it.

In: a `Planned` experiment, the arguments of `mrg experiment`, the folder as it stands. Out: the cells that are wanted,
or one sentence (SettingsError, InputError) about what will not work.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mrg_llm.errors import InputError, SettingsError
from mrg_llm.experiment.cells import Cell, cells_of, refuse_changed
from mrg_llm.experiment.plan import Arm, Planned
from mrg_llm.model.configuration import packages
from mrg_llm.model.prompts import CUSTOMIZED
from mrg_llm.scoring import read_outputs
from mrg_llm.scoring.statistics import DRAWS
from mrg_llm.settings import refuse_clashes
from mrg_llm.studies.study import Study, StudySet


@dataclass(frozen=True)
class Asked:
    """only, seeds: these arms and seeds; all of the file's where empty. limit: the first N validation studies
    are written; 0: all. test: score the test split, whole and once. dry_run: say what there is to do, and stop."""

    out: Path
    only: Sequence[str] = ()
    seeds: Sequence[int] = ()
    limit: int = 0
    test: bool = False
    dry_run: bool = False
    meteor: bool = True
    draws: int = DRAWS


def wanted(planned: Planned, asked: Asked) -> list[Cell]:
    """The cells that were asked for, and those that a control is of."""
    names = {*asked.only, *(arm.of for arm in planned.experiment.arm if arm.name in asked.only and arm.of)}
    arms = [arm for arm in planned.experiment.arm if not asked.only or arm.name in names]
    return cells_of(planned, asked.out, asked.seeds or planned.experiment.seeds, arms)


def all_cells(planned: Planned, out: Path) -> list[Cell]:
    return cells_of(planned, out, planned.experiment.seeds, planned.experiment.arm)


def refuse_unknown(planned: Planned, asked: Asked) -> None:
    """Arms and seeds that the experiment has not."""
    names = [arm.name for arm in planned.experiment.arm]
    for name in asked.only:
        if name not in names:
            raise SettingsError(f"--only {name}: the experiment's arms are {', '.join(names)}")
    for seed in asked.seeds:
        if seed not in planned.experiment.seeds:
            known = ", ".join(map(str, planned.experiment.seeds))
            raise SettingsError(f"--seeds {seed}: the experiment's seeds are {known}")


def refuse_impossible(planned: Planned, asked: Asked) -> None:
    """Arms that were asked for and would fail when their hours are spent; a test split that would not be reached."""
    cells = wanted(planned, asked)
    for arm in dict.fromkeys(cell.arm for cell in cells if not cell.arm.best):
        settings = planned.settings(planned.experiment.named(arm.of) if arm.of else arm, planned.experiment.seeds[0])
        if arm.of:
            if arm.shown == "other-prompts" and settings.model.prompts.variant not in CUSTOMIZED:
                raise SettingsError(
                    f"the arm {arm.name} takes another film's prompts, but {arm.of} does not customize any; name "
                    "an arm that does"
                )
            continue
        refuse_arm(arm, planned)
    if asked.test:
        coming = {cell.name for cell in cells}
        never = [c.name for c in all_cells(planned, asked.out) if not c.done("val") and c.name not in coming]
        if never:
            raise InputError(
                f"the test split is scored once, when everything else is done; {len(never)} cells are not, and were "
                f"not asked for ({never[0]}); leave --only and --seeds out, or --test"
            )


def refuse_arm(arm: Arm, planned: Planned) -> None:
    """Settings that rule each other out, no steps at all, or a package that the arm will need."""
    settings = planned.settings(arm, planned.experiment.seeds[0])
    try:
        refuse_clashes(settings)
        if settings.generate.epochs == 0:
            raise SettingsError("generate.epochs is 0, so it would not learn to write; set it above 0")
    except SettingsError as error:
        raise SettingsError(f"the arm {arm.name}: {error}; --only names the other arms") from error
    for package, extra in packages(settings.model):
        if importlib.util.find_spec(package) is None:
            raise SettingsError(
                f"the arm {arm.name} needs {package}, which is not installed; pip install 'mrg-llm[{extra}]', "
                "or name the other arms with --only"
            )


def refuse_other_figures(planned: Planned, studies: StudySet, asked: Asked, val: Sequence[Study]) -> None:
    """What lies in the folder and would stand among today's figures: cells of other settings, data or studies."""
    if len(val) < 2 and any(cell.arm.of for cell in wanted(planned, asked)):
        raise InputError("a control shows the next study's film, and there is one validation study; write two or more")
    for cell in all_cells(planned, asked.out):
        if not planned.waits_for(cell.arm):
            refuse_changed(cell, planned, studies)
        if cell.done("val"):
            known = set(read_outputs(cell.reports("val")).ids)
            if any(study.id not in known for study in val):
                raise InputError(
                    f"{cell.name} was written for {len(known)} validation studies, but {len(val)} are asked for; give "
                    f"the --limit that it was written with, or delete {cell.folder}/val*"
                )
