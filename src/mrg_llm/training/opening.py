"""A run, and how one is opened: the folder looked at, the model, the studies and, on resume, the newest checkpoint.

In: settings, a StudySet, a run folder. Out: `Run`, with which the loop goes on.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from rich.console import Console

from mrg_llm.model.decoding import refuse_unwritable
from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training import publish
from mrg_llm.training.checkpoint import Position, latest_checkpoint
from mrg_llm.training.data import SplitData
from mrg_llm.training.journal import FILE, Journal, TrainingBar, versions
from mrg_llm.training.precision import is_bf16, prepare_model
from mrg_llm.training.preparation import Prepared, Sharing, prepare
from mrg_llm.training.probing import fit_probe
from mrg_llm.training.spent import Meter
from mrg_llm.training.stages import planned, stage_steps


@dataclass
class Run:
    """Everything a run holds while it goes on."""

    settings: Settings
    out: Path
    model: MRGModel
    prepared: Prepared
    accelerator: Accelerator
    journal: Journal
    bar: TrainingBar
    position: Position
    stop: threading.Event
    meter: Meter

    @property
    def train(self) -> SplitData:
        return self.prepared.train

    @property
    def val(self) -> SplitData:
        return self.prepared.val


def open_run(
    settings: Settings, studies: StudySet, out: Path, *, resume: bool, start_from: Path | None,
    console: Console | None, sharing: Sharing | None,
) -> tuple[Run, dict[str, torch.Tensor] | None]:  # fmt: skip
    """Load the model, the data and, on resume, the newest sound checkpoint, whose optimizer state is returned with it.

    Arguments and errors are those of `loop.train`.
    """
    saved = latest_checkpoint(out) if resume else None
    seed_everything(settings.train.seed, 0)
    # A stage may leave some weights without a gradient in a step (an encoder's pooler, a head without a true sentence).
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    trackers = list(settings.train.trackers) or None
    accelerator = Accelerator(log_with=trackers, project_dir=str(out), kwargs_handlers=[unused])
    main = accelerator.is_main_process
    publish.refuse_other_run(out, settings, resume)
    publish.refuse_other_data(out, studies)
    accelerator.wait_for_everyone()  # all have looked at the folder before one writes into it
    bf16 = is_bf16(settings.train.precision, accelerator.device.type)
    model = MRGModel.build(settings.model, torch.bfloat16 if bf16 else torch.float32)
    model.config = publish.with_llm_hash(model)
    if start_from is not None:
        publish.copy_trained(model, start_from)
    prepare_model(model.to(accelerator.device), bf16, settings.train.checkpoint_activations)
    refuse_unwritable(model.language, settings.decode, now=settings.generate.metric != "loss")
    prepared = prepare(settings, studies, model, console if main else Console(quiet=True), sharing)
    if start_from is None and prepared.train_bank:
        bank = prepared.train_bank
        model.alignment.standardise_texts(torch.cat([bank.report_features, bank.sentence_features]))
    told = fit_probe(model, model.probe, prepared.train) if unfitted(model) and not saved else None
    position, optimizer_state = Position(planned(settings)[0], 0, 0), None
    if saved:
        position, trained, optimizer_state = saved
        model.load_trained_state({n: t.to(accelerator.device) for n, t in trained.items()}, str(out))
    total = sum(stage_steps(prepared.train, settings, n, accelerator.num_processes) for n in planned(settings))
    if main:
        publish.open_folder(out, model, settings, studies)
    header = {
        "settings": json.loads(settings.model_dump_json()), "versions": versions(), "data": studies.source,
        "data_sha256": studies.fingerprint, "seed": settings.train.seed, "bf16": bf16, "parameters": model.parts(),
        "step": position.step, "start_from": start_from and start_from.name, "unreadable": prepared.unread,
        "probe_nats_a_report": told,
    }  # fmt: skip
    journal = Journal(out / FILE, header, position.step if resume and saved else None, not main)
    accelerator.init_trackers("tensorboard")
    bar = TrainingBar(total, position.step, console if main else None)
    stop = threading.Event()
    meter = Meter(accelerator.device.type)
    return Run(settings, out, model, prepared, accelerator, journal, bar, position, stop, meter), optimizer_state


def unfitted(model: MRGModel) -> bool:
    """Whether it has a probe that tells nothing yet: of a new model, or of one that started from a run with none."""
    return model.probe is not None and not bool(model.probe.maps_OFR.any())


def seed_everything(seed: int, step: int, process: int = 0) -> None:
    """process: each drops out and hides others of its studies and words, where a step is shared by several."""
    torch.manual_seed((seed * 1_000_003 + process * 500_009 + step) % 2**63)
