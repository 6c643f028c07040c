"""A recipe cut to the time there is: what a step takes on this machine -> fewer epochs of every stage.

Machines differ tenfold (bfloat16 matrix instructions or none), and a first look should take minutes on all of them.
What was decided is kept in the demo's folder, so that a demo that is taken up again trains the same model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from rich.console import Console

from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training.calibration import mean_step_s, measured_stages, writing_seconds
from mrg_llm.training.checkpoint import write_file
from mrg_llm.training.opening import seed_everything
from mrg_llm.training.precision import best_device, is_bf16, prepare_model
from mrg_llm.training.preparation import Prepared, Sharing, prepare
from mrg_llm.training.stages import planned, stage_steps

FILE = "budget.json"
SMALLEST = 0.02  # of the recipe; less would train nothing
HURRIED = 0.9
FORWARD_SHARE = 0.35  # of a step; a validation looks at each study with its own film and with another's
# Loading models six times, strangers, scoring, the page: seconds on any machine, and steps of stage 3, which are slow
# where all this is.
OTHER_S, OTHER_STEPS = 15.0, 20
LONGER = 1.2  # than a probe says: later tokens read more, and rules look back at more


@dataclass(frozen=True)
class Budget:
    """share: of the recipe's steps, 1 where there was time for all. step_s: seconds a step by stage, writing_s: seconds
    that writing a batch of reports takes, as measured; whole_minutes: what the whole recipe would take. Nothing where
    nothing was measured."""

    share: float
    step_s: dict[str, float] = field(default_factory=dict)
    writing_s: float = 0.0
    whole_minutes: float = 0.0

    @property
    def hurried(self) -> bool:
        """Whether so much had to be cut that fewer reports are written, too."""
        return self.share < HURRIED


@dataclass(frozen=True)
class Work:
    """What is to be done. variants: how often stage 3 is trained. reports: how many are written in the end, half of
    them where there is no time for the whole recipe."""

    settings: Settings
    studies: StudySet
    variants: int
    reports: int


def fitted(
    out: Path, work: Work, minutes: float, spent_s: Callable[[], float], sharing: Sharing, console: Console
) -> tuple[Settings, Budget]:
    """The settings with as many epochs as there is time for, and the budget that says so.

    minutes: for everything; 0: no limit. spent_s: tells the seconds since the demo began.
    """
    path = out / FILE
    if path.is_file():
        budget = Budget(**json.loads(path.read_text()))
    elif minutes == 0:
        budget = Budget(1.0)
    else:
        prepared, step_s, writing_s = measured(work, sharing, console)
        spent = spent_s()
        estimate = Estimate(prepared, step_s, writing_s)
        share = estimate.share(work, 60 * minutes - spent)
        if share < HURRIED:
            share = min(estimate.share(replace(work, reports=work.reports // 2), 60 * minutes - spent), HURRIED - 0.01)
        budget = Budget(
            share, step_s, writing_s, round((spent + estimate.beside_s(work, 1.0) + estimate.training_s(work)) / 60, 1)
        )
    write_file(path, json.dumps(asdict(budget), indent=1).encode())
    if budget.share < 1:
        console.print(
            f"  there is time for {budget.share:.0%} of the recipe's steps on this machine; all of them take about "
            f"{budget.whole_minutes:.0f} minutes (--minutes 0)",
            highlight=False,
        )
    return scaled(work.settings, budget.share), budget


def measured(work: Work, sharing: Sharing, console: Console) -> tuple[Prepared, dict[str, float], float]:
    """Seconds a step of every stage, and of writing a batch of reports, with a model that is thrown away; what was
    prepared for it is shared."""
    settings = work.settings
    seed_everything(settings.train.seed, 0)
    device = best_device()
    bf16 = is_bf16(settings.train.precision, device)
    model = MRGModel.build(settings.model, torch.bfloat16 if bf16 else torch.float32).to(device)
    prepare_model(model, bf16, settings.train.checkpoint_activations)
    prepared = prepare(settings, work.studies, model, console, sharing)
    train = prepared.train
    costs = measured_stages(model, settings, train, prepared.train_bank)
    step_s = {
        name: settings.train.accumulate * mean_step_s(cost, name, model, train, getattr(settings, name).batch)
        for name, cost in costs.items()
    }
    return prepared, step_s, writing_seconds(model, train, settings.decode, settings.decode.max_new_tokens)


@dataclass(frozen=True)
class Estimate:
    """What was measured, and what it makes of the work that is left."""

    prepared: Prepared
    step_s: dict[str, float]
    writing_s: float

    def share(self, work: Work, left_s: float) -> float:
        """The share of all stages' steps that fits into `left_s` seconds, with everything that is not a step."""
        share = 1.0
        for _ in range(3):  # fewer epochs are validated less often, which leaves time for more of them
            share = (left_s - self.beside_s(work, share)) / self.training_s(work)
            share = min(1.0, max(SMALLEST, share))
        return share

    def training_s(self, work: Work) -> float:
        """Seconds of all steps of the recipe."""
        repeats = {"generate": work.variants}
        train = self.prepared.train
        return sum(stage_steps(train, work.settings, n) * s * repeats.get(n, 1) for n, s in self.step_s.items())

    def beside_s(self, work: Work, share: float) -> float:
        """Seconds of everything else, where that share of the steps is trained."""
        settings, step_s = work.settings, self.step_s["generate"]
        writing = LONGER * math.ceil(work.reports / settings.decode.batch) * self.writing_s
        batches = math.ceil(len(self.prepared.val) / settings.generate.batch)
        validations = work.variants * max(1, math.ceil(settings.generate.epochs * share))
        return writing + (validations * 2 * batches * FORWARD_SHARE + OTHER_STEPS) * step_s + OTHER_S


def scaled(settings: Settings, share: float) -> Settings:
    """The same settings with that share of every stage's epochs."""
    changed = {}
    for name in planned(settings):
        stage = getattr(settings, name)
        changed[name] = stage.model_copy(update={"epochs": stage.epochs * share})
    return settings.model_copy(update=changed)
