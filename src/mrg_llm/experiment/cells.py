"""One (arm, seed), step by step: align, train, write the reports of a split, and what films are worth in nats.

Every step leaves its result on disk, whole or not at all, and is left out where that is there:

    OUT/seed-N/aligned-ARM/              stages 1 and 2, a run folder
    OUT/seed-N/ARM/run/                  stage 3, a run folder
    OUT/seed-N/ARM/SPLIT.jsonl           written reports
    OUT/seed-N/ARM/SPLIT-nats.json       of the reference reports
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from mrg_llm.errors import SettingsError, StoppedError
from mrg_llm.experiment.plan import Arm, Planned
from mrg_llm.files import locked
from mrg_llm.progress import counting_bar
from mrg_llm.settings import Settings
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.training.journal import FILE, ended, entries

if TYPE_CHECKING:
    from mrg_llm.model.processing import Reporter
    from mrg_llm.training.preparation import Sharing


@dataclass(frozen=True)
class Cell:
    """One (arm, seed) and where its results go; `start`: the arm under whose name its alignment lies, if it has one."""

    out: Path
    arm: Arm
    seed: int
    start: str | None = None

    @property
    def name(self) -> str:
        return f"seed {self.seed}, {self.arm.name}"

    @property
    def folder(self) -> Path:
        return self.out / f"seed-{self.seed}" / self.arm.name

    @property
    def run(self) -> Path:
        """The model that writes: its own, or of a control the one of the arm it is of."""
        return self.folder.with_name(self.arm.of or self.arm.name) / "run"

    @property
    def aligned(self) -> Path | None:
        return aligned_folder(self.out, self.seed, self.start) if self.start else None

    def reports(self, split: str) -> Path:
        return self.folder / f"{split}.jsonl"

    def nats(self, split: str) -> Path:
        return self.folder / f"{split}-nats.json"

    @property
    def possible(self) -> bool:
        """A control has to wait for the model it is of."""
        return not self.arm.of or ended(self.run)

    def done(self, split: str) -> bool:
        files = [self.reports(split), *([] if self.arm.of else [self.nats(split)])]
        return ended(self.run) and all(path.is_file() for path in files)

    def state(self) -> str:
        if self.done("val"):
            return "done"
        if ended(self.run):
            return "to write" if self.arm.of else "trained"
        steps = last_step(self.run)
        return f"stopped after step {steps}" if steps else "to do"


def aligned_folder(out: Path, seed: int, name: str) -> Path:
    return out / f"seed-{seed}" / f"aligned-{name}"


def cells_of(planned: Planned, out: Path, seeds: Sequence[int], arms: Sequence[Arm]) -> list[Cell]:
    """Seed by seed, in the order of the file, so that what is done first can be compared."""
    return [
        Cell(out, arm, seed, None if arm.of or planned.waits_for(arm) else planned.start_of(arm, seed))
        for seed in seeds
        for arm in arms
    ]


def train_cell(cell: Cell, planned: Planned, studies: StudySet, sharing: Sharing, console: Console) -> None:
    """The alignment that it starts from, and its stage 3; what is done already is left as it is."""
    if cell.arm.of:
        return
    if cell.aligned:
        settings = planned.alignments(cell.seed)[cell.start or ""]
        cell.aligned.mkdir(parents=True, exist_ok=True)
        with locked(cell.aligned):  # another process may be at it for another arm
            train_once(cell.aligned, settings, studies, None, sharing, console)
    train_once(cell.run, planned.generation(cell.arm, cell.seed), studies, cell.aligned, sharing, console)


def refuse_changed(cell: Cell, planned: Planned, studies: StudySet) -> None:
    """A cell's models stand for the settings and data they were trained with. Raises SettingsError, DataError."""
    if cell.arm.of:
        return
    refuse_other(cell.run, planned.generation(cell.arm, cell.seed), studies)
    if cell.aligned:
        refuse_other(cell.aligned, planned.alignments(cell.seed)[cell.start or ""], studies)
    header = next(iter(entries(cell.run / FILE)), {})
    start = cell.aligned.name if cell.aligned else None
    if header.get("start_from", start) != start:
        raise SettingsError(
            f"{cell.run} started from {header['start_from'] or 'nothing'}, and would from {start or 'nothing'} now; "
            "choose another --out, or delete it"
        )


def refuse_other(run: Path, settings: Settings, studies: StudySet) -> None:
    """What was trained, or begun, with other settings or data. Nothing for a folder that is not there."""
    from mrg_llm.training.publish import refuse_other_data, refuse_other_run

    refuse_other_data(run, studies)
    try:
        refuse_other_run(run, settings, resume=True)
    except SettingsError as error:
        raise SettingsError(
            f"{run} was trained with other settings than the experiment has now; choose another --out, or delete it"
        ) from error


def train_once(
    run: Path, settings: Settings, studies: StudySet, start_from: Path | None, sharing: Sharing, console: Console
) -> None:
    """Train, or finish what was stopped. Raises SettingsError for a run of other settings, StoppedError by hand."""
    from mrg_llm.training.loop import train

    refuse_other(run, settings, studies)
    if not ended(run):
        gc.collect()  # what the run before held is not this one's memory
        try:
            train(settings, studies, run, resume=True, start_from=start_from, console=console, sharing=sharing)
        except StoppedError as stop:
            raise StoppedError(f"stopped after step {last_step(run)} of {run}; the same command goes on") from stop
    shutil.rmtree(run / "checkpoints", ignore_errors=True)  # a run that has ended does not go on


def write_cell(cell: Cell, split: str, studies: Sequence[Study], console: Console) -> None:
    """Reports and nats of these studies, whatever of it is missing. The model is loaded once."""
    from mrg_llm import runs
    from mrg_llm.training.precision import best_device, is_bf16

    missing = [path for path in (cell.reports(split), cell.nats(split)) if not path.is_file()]
    if cell.done(split):
        return
    settings = runs.saved_settings(cell.run)
    bf16 = is_bf16(settings.train.precision, best_device()) and settings.decode.weights == "full"
    reporter = runs.load(cell.run, precision="bf16" if bf16 else "fp32")
    cell.folder.mkdir(parents=True, exist_ok=True)
    if cell.reports(split) in missing:
        with counting_bar(f"{cell.name}: writing", len(studies), console) as advance:
            how = {"sections": settings.data.sections, "split_by": runs.describe(cell.run)[2].get("split_by")}
            runs.generate(*shown(cell.arm, reporter, studies), cell.reports(split), advance, how)
    if cell.nats(split) in missing and not cell.arm.of:
        with counting_bar(f"{cell.name}: reading", len(studies), console) as advance:
            write_nats(cell.nats(split), reporter, settings, studies, advance)


def shown(arm: Arm, reporter: Reporter, studies: Sequence[Study]) -> tuple[Reporter, Sequence[Study]]:
    """Who writes, and what of each study it is shown."""
    from mrg_llm.controls import OtherPrompts, swapped

    if arm.shown == "other-prompts":
        return OtherPrompts(reporter, studies), studies
    return reporter, swapped(studies) if arm.shown == "swapped" else studies


def write_nats(path: Path, reporter: Reporter, settings: Settings, studies: Sequence[Study], progress) -> None:
    from mrg_llm.training.checkpoint import write_file
    from mrg_llm.training.data import SplitData
    from mrg_llm.training.validation import nats

    data = SplitData(studies, reporter.model.language.tokenizer, settings, augmented=False)
    data.read_films()
    rows = nats(reporter.model, data, settings.generate.batch, progress)
    found = dict.fromkeys((study.id for study in studies), None)  # of a study without a film that can be read: nothing
    found |= {study.id: row for study, row in zip(data.studies, rows, strict=True)}
    write_file(path, json.dumps(found, indent=1).encode())


def last_step(run: Path) -> int:
    return max((entry.get("step", 0) for entry in entries(run / FILE)), default=0)
