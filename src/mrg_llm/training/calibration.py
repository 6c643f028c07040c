"""What steps, validations and reports take on this machine, measured on a few batches of the studies themselves.

In: a model, and a split whose films are ready. Out: seconds. The measured steps train the model at full rate: it is
thrown away. Seconds are of `clock`: the wall's, unless a benchmark counts the processor's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import DecodeSettings, Settings
from mrg_llm.studies.batches import ahead
from mrg_llm.training.data import SplitData, TextBank, on_device
from mrg_llm.training.optimizer import make_optimizer
from mrg_llm.training.preparation import evaluating
from mrg_llm.training.stages import alike, make_stage, planned
from mrg_llm.training.validation import in_order, report_losses, written_reports

Clock = Callable[[], float]
Told = Callable[[str, int, int | None], None]  # what is measured, how many steps of how many are done

LENGTHS = 3  # batches of short, of middling and of the longest reports
ROUNDS = 3  # of these, at most
ENOUGH_S = 12.0  # of measuring a stage; a slow machine makes one round
PROBE_TOKENS = 8


@dataclass(frozen=True)
class StepCost:
    """Seconds of a batch's forward and backward pass and update: a line over its positions in the LLM, padding
    included."""

    fixed_s: float
    position_s: float

    def of(self, positions: float) -> float:
        return self.fixed_s + self.position_s * positions


def measured_stages(
    model: MRGModel, settings: Settings, data: SplitData, bank: TextBank | None, clock: Clock = time.perf_counter,
    told: Told = lambda what, done, total: None,
) -> dict[str, StepCost]:  # fmt: skip
    """What a batch of every planned stage costs, from short and from long reports. Changes the model's weights."""
    return {name: measured_steps(name, model, settings, data, bank, clock, told) for name in planned(settings)}


def measured_steps(
    name: str, model: MRGModel, settings: Settings, data: SplitData, bank: TextBank | None, clock: Clock, told: Told
) -> StepCost:
    stage = make_stage(name, model, settings, bank)
    optimizer = make_optimizer(stage, settings.train)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    groups = of_all_lengths(data, stage.settings.batch, alike(name))
    positions = [batch_positions(model, data, group) for group in groups]
    # The longest come first, as a warm-up that does not count: what they need of memory is what the stage needs.
    plan = [groups[0], *groups * ROUNDS]
    seconds: list[list[float]] = [[] for _ in groups]
    batches = ahead(data.make, ((0, indices) for indices in plan))
    begun = last = clock()
    for number, batch in enumerate(batches):
        loss = stage(on_device(batch, model.vision.mean.device)).total
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, settings.train.clip)
        float(norm)  # as in training: the update waits until the device has come so far
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        synchronize()
        now = clock()
        if number:
            seconds[(number - 1) % len(groups)].append(now - last)
        last = now
        told(f"{name}: steps", number + 1, len(plan))
        round_ended = number and number % len(groups) == 0
        if round_ended and (now - begun) * (1 + len(groups) / (number + 1)) > ENOUGH_S:
            break
    batches.close()
    told(f"{name}: steps", len(plan), len(plan))
    return fitted_cost(positions, [statistics.median(found) for found in seconds])


def fitted_cost(positions: Sequence[float], seconds: Sequence[float]) -> StepCost:
    """The line of least squares, but level where noise says that more takes less, or where there is one length only,
    and through the origin where it says that nothing takes less than nothing."""
    mean, level = float(np.mean(positions)), float(np.mean(seconds))
    spread = float(np.sum(np.square(np.subtract(positions, mean))))
    slope = float(np.dot(np.subtract(positions, mean), np.subtract(seconds, level))) / spread if spread else 0.0
    slope = min(max(slope, 0.0), level / mean)
    return StepCost(level - slope * mean, slope)


def of_all_lengths(data: SplitData, batch: int, alike: bool = True) -> list[list[int]]:
    """Up to LENGTHS batches of reports of like length, the longest first; or of mixed ones."""
    order = sorted(range(len(data)), key=lambda i: data.lengths[i] if alike else 0, reverse=alike)
    whole = [order[i : i + batch] for i in range(0, max(1, len(order) - batch + 1), batch)]
    chosen = np.linspace(0, len(whole) - 1, min(LENGTHS, len(whole))).round().astype(int)
    return [whole[i] for i in chosen]


def batch_positions(model: MRGModel, data: SplitData, indices: Sequence[int]) -> int:
    """Positions of a batch in the LLM, padding included."""
    frame = len(model.frame.before) + len(model.frame.after)
    prompts = model.config.prompts.prompts if model.promptbook is not None else 0
    image = max(len(data.studies[i].views) for i in indices) * model.config.projection.grid**2
    words = max(len(data.contexts[i]) for i in indices) + max(data.lengths[i] for i in indices)
    return len(indices) * (frame + prompts + image + words)


def mean_step_s(cost: StepCost, name: str, model: MRGModel, data: SplitData, batch: int) -> float:
    """Seconds a batch of this stage, over the batches of the first epoch."""
    epoch = data.plan(batch, 0, data.steps_per_epoch(batch), alike(name))
    return statistics.mean(cost.of(batch_positions(model, data, indices)) for _, indices in epoch)


# -- validation --------------------------------------------------------------------------------------------------------


def losses_seconds(model: MRGModel, data: SplitData, batch: int, clock: Clock = time.perf_counter) -> float:
    """Seconds that the losses of a validation take a position, from the first batch of `data`."""
    first = range(min(batch, len(data)))
    with evaluating(model):
        seconds = timed(lambda: report_losses(model, data, batch, len(first)), clock)
    return seconds / batch_positions(model, data, first)


def looking_seconds(model: MRGModel, data: SplitData, batch: int, clock: Clock = time.perf_counter) -> float:
    """Seconds that encoder and customizer take a study, from the first batch of `data`."""
    count = min(batch, len(data))

    @torch.inference_mode()
    def look() -> None:
        for tensors in in_order(data, batch, model.vision.mean.device, count):
            tensors.look(model)

    with evaluating(model):
        return timed(look, clock) / count


def writing_seconds(
    model: MRGModel, data: SplitData, decode: DecodeSettings, tokens: float, clock: Clock = time.perf_counter
) -> float:
    """Seconds that writing a batch of reports of so many tokens takes, from one of a token and one of a few more."""
    count = min(decode.batch, len(data))

    def write(most: int) -> None:
        probe = decode.model_copy(update={"max_new_tokens": most, "min_new_tokens": most, "batch": count})
        written_reports(model, data, count, probe)

    with evaluating(model):
        first, more = (timed(lambda most=most: write(most), clock) for most in (1, PROBE_TOKENS))
    return first + max(0.0, more - first) / (PROBE_TOKENS - 1) * (tokens - 1)


def timed(task: Callable[[], object], clock: Clock) -> float:
    started = clock()
    task()
    synchronize()
    return clock() - started


def synchronize() -> None:
    """Wait for what a GPU was told to do."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def in_batches(count: int, batch: int) -> Iterator[range]:
    """0..count-1 in their order, as validation takes them."""
    return (range(start, min(start + batch, count)) for start in range(0, count, batch))
