"""What a run would be, before it is one: parameters a part, steps, memory and time, from two measured steps a stage."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training.data import SplitData, TextBank, on_device
from mrg_llm.training.memory import remember_films
from mrg_llm.training.opening import seed_everything
from mrg_llm.training.optimizer import make_optimizer
from mrg_llm.training.precision import is_bf16, prepare_model
from mrg_llm.training.preparation import split_data
from mrg_llm.training.spent import peak_memory
from mrg_llm.training.stages import make_stage, needs_texts, planned, stage_steps

SAMPLE = 64  # studies whose texts are embedded for the measurement
STEPS = 3  # measured steps a stage; the first warms up and does not count


@dataclass(frozen=True)
class StagePlan:
    """steps of the stage, and seconds a step as measured on this machine."""

    name: str
    steps: int
    step_s: float


@dataclass(frozen=True)
class Plan:
    """parameters: trained, a part. memory_bytes: peak of this process while measuring (GPU memory on a GPU)."""

    parameters: dict[str, int]
    frozen: int
    stages: tuple[StagePlan, ...]
    texts_s: float
    films_s: float
    memory_bytes: int
    checkpoint_bytes: int

    @property
    def seconds(self) -> float:
        """Training steps, text features and the frozen layers' look at the films; validations come on top."""
        return self.texts_s + self.films_s + sum(s.steps * s.step_s for s in self.stages)


def make_plan(settings: Settings, studies: StudySet) -> Plan:
    """Build the model, run a few steps of every stage on real batches, and throw the result away."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bf16 = is_bf16(settings.train.precision, device)
    seed_everything(settings.train.seed, 0)
    model = MRGModel.build(settings.model, torch.bfloat16 if bf16 else torch.float32).to(device)
    prepare_model(model, bf16)
    train_data, _ = split_data(studies, model.language, settings)
    sample = SplitData(train_data.studies[:SAMPLE], model.language.tokenizer, settings, augmented=True)
    sample.read_films()
    started = time.perf_counter()
    bank = None
    if needs_texts(settings):
        bank = TextBank.build(sample.studies, model.language, settings.model.alignment.text_layers)
    texts_s = (time.perf_counter() - started) * len(train_data) / len(sample)
    started = time.perf_counter()
    copies = remember_films(model, sample, settings.data.augment_copies, share_of(settings, sample, train_data))
    films_s = (time.perf_counter() - started) * len(train_data) / len(sample) if copies else 0.0
    stages = tuple(
        StagePlan(name, stage_steps(train_data, settings, name), measured_step(name, model, settings, sample, bank))
        for name in planned(settings)
    )
    memory = peak_memory(device) + remembered_bytes(sample) * (len(train_data) - len(sample)) // len(sample)
    trained = sum(model.parts().values())
    frozen = sum(p.numel() for p in model.parameters()) - trained
    return Plan(model.parts(), frozen, stages, texts_s, films_s, memory, 3 * 4 * trained)


def share_of(settings: Settings, sample: SplitData, whole: SplitData) -> float:
    """The sample's part of the memory that the whole training split may take."""
    views = [sum(len(study.views) for study in data.studies) for data in (sample, whole)]
    return settings.data.remember_gib * views[0] / views[1]


def remembered_bytes(data: SplitData) -> int:
    return sum(films.nbytes for version in data.remembered for films in version)


def measured_step(name: str, model: MRGModel, settings: Settings, data: SplitData, bank: TextBank | None) -> float:
    """Seconds that an optimizer step of this stage takes here. Changes the model's weights."""
    stage = make_stage(name, model, settings, bank)
    optimizer = make_optimizer(stage, settings.train)
    seconds = []
    for batch in data.batches(stage.settings.batch, 0, STEPS):
        started = time.perf_counter()
        stage(on_device(batch, model.vision.mean.device)).total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - started)
    return settings.train.accumulate * sum(seconds[1:]) / (len(seconds) - 1)


def print_plan(settings: Settings, studies: StudySet, console: Console) -> None:
    """The plan as a table a person reads before spending hours."""
    plan = make_plan(settings, studies)
    table = Table(title=f"what would be trained on {studies.source}", title_justify="left")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    for part, count in plan.parameters.items():
        table.add_row(part, f"{count:,}")
    table.add_row("frozen (LLM and lower encoder layers)", f"{plan.frozen:,}")
    console.print(table)
    table = Table()
    for heading in ("stage", "steps", "seconds a step", "minutes"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage in plan.stages:
        minutes = stage.steps * stage.step_s / 60
        table.add_row(stage.name, str(stage.steps), f"{stage.step_s:.2f}", f"{minutes:.1f}")
    console.print(table)
    console.print(
        f"about {plan.seconds / 60:.0f} minutes and validations on top; {plan.memory_bytes / 1e9:.1f} GB of memory; "
        f"{2 * plan.checkpoint_bytes / 1e9:.2f} GB of disk for checkpoints"
    )
