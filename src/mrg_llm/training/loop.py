"""The training story: open the run, take up where it stood, walk through the stages, keep the best.

In: settings, a StudySet, a run folder. Out: the run folder with the trained model. The order of studies, augmentation,
dropout and what is hidden are functions of (seed, step, process), so a run that was killed ends, after --resume, in the
same bits (on CPU).
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from mrg_llm.errors import ModelSourceError, StoppedError, TrainingError
from mrg_llm.model.familiarity import familiar_films
from mrg_llm.progress import counting_bar
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training import publish
from mrg_llm.training.checkpoint import optimizer_tensors, restore_optimizer, save_checkpoint
from mrg_llm.training.data import on_device
from mrg_llm.training.opening import Run, open_run, seed_everything
from mrg_llm.training.optimizer import make_optimizer, set_rates, stage_parameters
from mrg_llm.training.preparation import Sharing, evaluating
from mrg_llm.training.stages import Stage, alike, make_stage, planned, stage_steps, updates_per_epoch
from mrg_llm.training.validation import finding_auc, prompt_statistics, report_losses, retrieval, written_reports


def train(
    settings: Settings, studies: StudySet, out: Path, *, resume: bool = False, start_from: Path | None = None,
    console: Console | None = None, sharing: Sharing | None = None,
) -> Path:  # fmt: skip
    """Train all planned stages into the run folder `out`; returns it.

    start_from: a run whose trained weights this one starts with. sharing: lends what another run in this process has
    made of the same studies. Raises InputError for what the user can mend,
    TrainingError when the loss is not finite, StoppedError after Ctrl-C.
    """
    run, saved = open_run(
        settings, studies, out, resume=resume, start_from=start_from, console=console, sharing=sharing
    )
    stages = planned(settings)
    first = stages.index(run.position.stage) if run.position.stage in stages else 0
    with run.bar, catching_signals(run.stop):
        for name in stages[first:]:
            train_stage(run, name, saved)
            saved = None
        if run.accelerator.is_main_process:
            publish.finish(run.out, run.model, run.settings, run.position)
    if run.accelerator.is_main_process:
        get_familiar(run)
    if unread := run.prepared.unread:
        run.bar.say(f"studies left out, because none of their films can be read: {len(unread)} ({named(unread)})")
    run.accelerator.end_training()
    run.journal.write(step=run.position.step, **run.meter.entry())
    run.journal.write(event="end", step=run.position.step)
    run.journal.close()
    return out


def train_stage(run: Run, name: str, saved: dict | None) -> None:
    """One stage, from where the run stands in it to its end."""
    settings, position = run.settings, run.position
    stage = make_stage(name, run.model, settings, run.prepared.train_bank)
    optimizer = make_optimizer(stage, settings.train)
    if saved:
        restore_optimizer(optimizer, stage_parameters(stage, settings.train), saved)
    if position.stage != name:
        run.position = position = replace(position, stage=name, stage_step=0)
    wrapped, optimizer = run.accelerator.prepare(stage, optimizer)
    steps = stage_steps(run.train, settings, name, run.accelerator.num_processes)

    batches = micro_batches(run, stage, position.stage_step, steps)
    for step in range(position.stage_step, steps):
        group = [next(batches) for _ in range(settings.train.accumulate)]
        seed_everything(settings.train.seed, run.position.step, run.accelerator.process_index)
        set_rates(bare(optimizer), step, steps, settings.train.warmup)
        values = optimizer_step(run, wrapped, optimizer, group)
        run.position = replace(run.position, stage_step=step + 1, step=run.position.step + 1)
        report_step(run, name, values, bare(optimizer))
        if name == "generate" and is_validation_step(run, step + 1, steps):
            validate(run)
        stopping = asked_to_stop(run)
        if run.position.step % settings.train.checkpoint_every == 0 or stopping or step + 1 == steps:
            checkpoint(run, stage, bare(optimizer))
        if stopping and not (step + 1 == steps and name == planned(settings)[-1]):
            raise StoppedError(f"stopped after step {run.position.step}; go on with the same command and --resume")
        if out_of_patience(run):
            break
    if name != "generate":
        validate_alignment(run)


def get_familiar(run: Run) -> None:
    """Keep what the training films look like, so that the model abstains from other pictures."""
    most = min(run.settings.data.familiar_films, sum(len(study.views) for study in run.train.studies))
    if not most:
        return
    try:
        with counting_bar("looking at films", most, run.bar.progress.console) as advance:
            found = familiar_films(run.train.studies, most, run.settings.train.seed, advance)
    except ModelSourceError as error:  # the default encoder is not installed: the model writes for any picture
        run.journal.write(event="no familiarity", why=str(error))
        return
    if found:
        publish.keep_familiarity(run.out, found)


def asked_to_stop(run: Run) -> bool:
    """Whether any process was asked to; all of them must end after the same step."""
    if run.accelerator.num_processes == 1:
        return run.stop.is_set()
    asked = torch.tensor(float(run.stop.is_set()), device=run.accelerator.device)
    return bool(run.accelerator.reduce(asked, "sum") > 0)


def optimizer_step(run: Run, wrapped: torch.nn.Module, optimizer, group: list) -> dict[str, float]:
    """One update from `accumulate` batches, every report token (or study) of them weighing the same."""
    accelerator, train_settings = run.accelerator, run.settings.train
    batches = [on_device(batch, accelerator.device) for batch in group]
    losses: list[float] = []
    weights: list[float] = []
    parts: dict[str, float] = {}
    tokens = 0
    counted = [
        float(b.report_weights.sum()) if run.position.stage == "generate" else float(len(b.indices)) for b in batches
    ]
    everywhere = accelerator.reduce(torch.tensor(sum(counted), device=accelerator.device), "sum")
    for batch in batches:
        loss = wrapped(batch)
        refuse_non_finite(run, loss.total, batch.indices)
        share = loss.weight / everywhere * accelerator.num_processes  # data parallel averages gradients
        accelerator.backward(loss.total * share)
        losses.append(float(loss.total.detach()))
        weights.append(float(loss.weight))
        for key, value in loss.parts.items():
            parts[key] = parts.get(key, 0.0) + float(value) * float(loss.weight) / sum(counted)
        tokens += int(batch.report_mask.sum())
    parameters = [p for g in bare(optimizer).param_groups for p in g["params"]]
    norm = accelerator.clip_grad_norm_(parameters, train_settings.clip)
    refuse_non_finite(run, norm, [i for b in batches for i in b.indices], "gradient")
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    mean = sum(value * w for value, w in zip(losses, weights, strict=True)) / sum(weights)
    return {"loss": mean, **parts, "gradient_norm": float(norm), "tokens": tokens}


def refuse_non_finite(run: Run, value: torch.Tensor, indices, what: str = "loss") -> None:
    """Stop before a step that would destroy the weights."""
    if not math.isfinite(float(value.detach())):
        ids = [run.train.studies[i].id for i in indices]
        raise TrainingError(
            f"the {what} is not finite at step {run.position.step + 1} ({run.position.stage}); the weights were not "
            f"touched. Studies in the batch: {', '.join(ids)}. Look at their films, or lower train.lr"
        )


def report_step(run: Run, stage: str, values: dict[str, float], optimizer) -> None:
    tokens = int(values.pop("tokens"))
    step = run.position.step
    run.bar.step(stage, values["loss"], tokens)
    if step % run.settings.train.log_every == 0 or step == 1:
        entry = {"stage": stage, "lr": max(group["lr"] for group in optimizer.param_groups), **values}
        run.journal.write(step=step, **entry)
        run.accelerator.log({f"{stage}/{k}": v for k, v in entry.items() if not isinstance(v, str)}, step=step)


def is_validation_step(run: Run, done: int, steps: int) -> bool:
    every = run.settings.generate.validate_every or updates_per_epoch(run.train, run.settings, "generate",
                                                                     run.accelerator.num_processes)  # fmt: skip
    return len(run.val) > 0 and (done % every == 0 or done == steps)


def validate(run: Run) -> None:
    """Score the validation split; publish the model when it is the best so far."""
    settings = run.settings
    with evaluating(run.model):
        values = report_losses(run.model, run.val, settings.generate.batch)
        if settings.generate.metric != "loss":
            texts = written_reports(run.model, run.val, settings.generate.validation_studies, settings.decode)
            values |= publish.text_scores(texts, [s.report or "" for s in run.val.studies[: len(texts)]])
        first = on_device(run.val.make(0, range(min(16, len(run.val)))), run.model.vision.mean.device)
        with torch.inference_mode():
            values |= prompt_statistics(run.model, first.look(run.model))
    score = publish.selection(values, settings.generate.metric)
    better = run.position.best is None or score > run.position.best
    run.position = replace(
        run.position,
        best=score if better else run.position.best,
        best_step=run.position.step if better else run.position.best_step,
        waited=0 if better else run.position.waited + 1,
    )
    tell(run, "validation", values | {"selection": score})
    if better and run.accelerator.is_main_process:
        publish.keep_best(run.out, run.model, run.position)


def validate_alignment(run: Run) -> None:
    """Retrieval on the validation split: alignment is a number before any report is written."""
    if len(run.val) == 0 or run.prepared.val_bank is None:
        return
    with evaluating(run.model):
        batch = run.settings.generate.batch
        values = retrieval(run.model, run.val, run.prepared.val_bank, batch)
        if run.position.stage == "align_local":
            values |= finding_auc(run.model, run.val, run.prepared.val_bank, batch)
        tell(run, "retrieval", values)


def tell(run: Run, event: str, values: dict[str, float]) -> None:
    run.journal.write(step=run.position.step, event=event, stage=run.position.stage, **values)
    run.accelerator.log({f"{event}/{k}": v for k, v in values.items()}, step=run.position.step)
    shown = "  ".join(f"{k} {v:.3f}" for k, v in values.items() if not k.startswith("norm_"))
    run.bar.say(f"step {run.position.step:>5}  {event}: {shown}")


def out_of_patience(run: Run) -> bool:
    patience = run.settings.generate.patience
    if patience and run.position.waited >= patience:
        run.bar.say(f"no better validation in {patience}: stopping early, best at step {run.position.best_step}")
        return True
    return False


def checkpoint(run: Run, stage: Stage, optimizer) -> None:
    run.accelerator.wait_for_everyone()
    run.journal.write(step=run.position.step, **run.meter.entry())
    if run.accelerator.is_main_process:
        names = {p: n for n, p in stage_parameters(stage, run.settings.train).items()}
        save_checkpoint(run.out, run.position, run.model.trained_state(), optimizer_tensors(optimizer, names))


def micro_batches(run: Run, stage: Stage, first_step: int, steps: int) -> Iterator:
    accelerator, accumulate = run.accelerator, run.settings.train.accumulate
    share = (accelerator.process_index, accelerator.num_processes)
    first, last = first_step * accumulate, steps * accumulate
    return run.train.batches(stage.settings.batch, first, last, share, alike(stage.name))


def named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")


def bare(optimizer) -> torch.optim.Optimizer:
    """The torch optimizer inside accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)


@contextmanager
def catching_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the step in hand, with a checkpoint; a second Ctrl-C ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number, frame):
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
