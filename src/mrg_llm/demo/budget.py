"""A recipe cut to the time there is: what a step takes on this machine -> fewer epochs of every stage.

Machines differ tenfold (bfloat16 matrix instructions or none), and a first look should take minutes on all of them.
What was decided is kept in the demo's folder, so that a demo that is taken up again trains the same model.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console

from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training.checkpoint import write_file
from mrg_llm.training.loop import seed_everything, stage_steps
from mrg_llm.training.plan import measured_step
from mrg_llm.training.precision import is_bf16, prepare_model
from mrg_llm.training.preparation import Prepared, Sharing, prepare
from mrg_llm.training.stages import planned

FILE = "budget.json"
SMALLEST = 0.02  # of the recipe; less would train nothing
# What the demo does beside its steps, in steps of stage 3, which writing and validating grow with on any machine.
WRITING_STEPS = 60  # three times a hundred reports
FORWARD_SHARE = 0.35  # of a step; a validation looks at each study with its own film and with another's
OTHER_S = 45.0  # loading models, strangers, scoring, the page


@dataclass(frozen=True)
class Budget:
    """share: of the recipe's steps, 1 where there was time for all. step_s: seconds a step by stage, as measured."""

    share: float
    step_s: dict[str, float]


def fitted(
    out: Path, settings: Settings, studies: StudySet, minutes: float, spent_s, variants: int, sharing: Sharing,
    console: Console,
) -> tuple[Settings, Budget]:  # fmt: skip
    """The settings with as many epochs as there is time for, and the budget that says so.

    minutes: for everything; 0: no limit. spent_s: tells the seconds since the demo began. variants: how often stage 3
    is trained.
    """
    path = out / FILE
    if path.is_file():
        budget = Budget(**json.loads(path.read_text()))
    elif minutes == 0:
        budget = Budget(1.0, {})
    else:
        prepared, step_s = measured(settings, studies, sharing, console)
        budget = Budget(share_of(settings, prepared, step_s, 60 * minutes - spent_s(), variants), step_s)
    write_file(path, json.dumps(asdict(budget), indent=1).encode())
    if budget.share < 1:
        console.print(
            f"  there is time for {budget.share:.0%} of the recipe's steps on this machine; --minutes 0 trains all",
            highlight=False,
        )
    return scaled(settings, budget.share), budget


def measured(
    settings: Settings, studies: StudySet, sharing: Sharing, console: Console
) -> tuple[Prepared, dict[str, float]]:
    """Seconds a step of every stage, with a model that is thrown away; what was prepared for it is shared."""
    seed_everything(settings.train.seed, 0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bf16 = is_bf16(settings.train.precision, device)
    model = MRGModel.build(settings.model, torch.bfloat16 if bf16 else torch.float32).to(device)
    prepare_model(model, bf16)
    prepared = prepare(settings, studies, model, console, sharing)
    stages = planned(settings)
    return prepared, {n: measured_step(n, model, settings, prepared.train, prepared.train_bank) for n in stages}


def share_of(settings: Settings, prepared: Prepared, step_s: dict[str, float], left_s: float, variants: int) -> float:
    """The share of all stages' steps that fits into `left_s` seconds, with everything that is not a step."""
    repeats = {"generate": variants}
    training = sum(stage_steps(prepared.train, settings, n) * s * repeats.get(n, 1) for n, s in step_s.items())
    writing = WRITING_STEPS * step_s["generate"] + OTHER_S
    batches = math.ceil(len(prepared.val) / settings.generate.batch)
    validations = math.ceil(settings.generate.epochs) * variants
    validating = validations * 2 * batches * FORWARD_SHARE * step_s["generate"]
    return min(1.0, max(SMALLEST, (left_s - writing - validating) / training))


def scaled(settings: Settings, share: float) -> Settings:
    """The same settings with that share of every stage's epochs."""
    changed = {}
    for name in planned(settings):
        stage = getattr(settings, name)
        changed[name] = stage.model_copy(update={"epochs": stage.epochs * share})
    return settings.model_copy(update=changed)
