"""What a run would be, before it is one: parameters, steps, hours, memory and disk, from a short calibration.

The model is built and takes a few steps of every planned stage on a pool of the real studies, the longest reports among
them; what is done once a study, a film or a validation is measured on the pool and counted for all. Nothing is written.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save as tensor_bytes

from mrg_llm.errors import ModelSourceError
from mrg_llm.model.alignment import split_sentences
from mrg_llm.model.decoding import refuse_unwritable
from mrg_llm.model.familiarity import familiar_films
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.nearest import ENCODER
from mrg_llm.model.vision import VisionEncoder
from mrg_llm.settings import Settings
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.training import calibration as measure
from mrg_llm.training.calibration import Clock, Told
from mrg_llm.training.checkpoint import KEPT
from mrg_llm.training.data import SplitData, TextBank, unique
from mrg_llm.training.footprint import Footprint, rest_bytes, used_so_far
from mrg_llm.training.memory import remember_films, versions_that_fit
from mrg_llm.training.opening import seed_everything
from mrg_llm.training.precision import best_device, is_bf16, prepare_model
from mrg_llm.training.preparation import evaluating, split_data
from mrg_llm.training.publish import with_llm_hash
from mrg_llm.training.stages import needs_texts, planned, stage_steps, updates_per_epoch

POOL = 48  # studies that are read and measured, beside a batch of the longest reports
FILMS = 8  # looked at to see what telling strange pictures from films takes


@dataclass(frozen=True)
class StagePlan:
    """steps of the stage, and seconds a step on this machine."""

    name: str
    steps: int
    step_s: float

    @property
    def seconds(self) -> float:
        return self.steps * self.step_s


@dataclass(frozen=True)
class Plan:
    """parameters: trained, a part. beside_s: seconds of everything that is no step, by what it is. bf16: whether the
    frozen weights would be stored in it. disk_bytes: at most, with a checkpoint being written."""

    parameters: dict[str, int]
    frozen: int
    stages: tuple[StagePlan, ...]
    beside_s: dict[str, float]
    memory: Footprint
    disk_bytes: int
    device: str
    bf16: bool

    @property
    def seconds(self) -> float:
        return sum(self.beside_s.values()) + sum(stage.seconds for stage in self.stages)


def make_plan(
    settings: Settings, studies: StudySet, clock: Clock = time.perf_counter,
    told: Told = lambda what, done, total: None,
) -> Plan:  # fmt: skip
    """Measure, and throw the model away. clock: whose seconds are counted. told: hears of the progress.

    Raises InputError as training would.
    """
    beside: dict[str, float] = {}
    begun = clock()
    seed_everything(settings.train.seed, 0)
    device = best_device()
    bf16 = is_bf16(settings.train.precision, device)
    model = MRGModel.build(settings.model, torch.bfloat16 if bf16 else torch.float32)
    with_llm_hash(model)  # which training computes, too
    prepare_model(model.to(device), bf16, settings.train.checkpoint_activations)
    refuse_unwritable(model.language, settings.decode, now=settings.generate.metric != "loss")
    train, val = split_data(studies, model.language, settings)
    beside["loading the models"] = clock() - begun
    pool = SplitData(pooled(settings, train), model.language.tokenizer, settings, augmented=True)
    bank = prepared(settings, model, pool, train, val, beside, clock, told)
    costs = measure.measured_stages(model, settings, pool, bank, clock, told)
    stages = tuple(
        StagePlan(
            name,
            stage_steps(train, settings, name),
            settings.train.accumulate * measure.mean_step_s(cost, name, model, train, getattr(settings, name).batch),
        )
        for name, cost in costs.items()
    )
    beside["validation"] = validation_seconds(settings, model, pool, train, val, clock, told)
    if settings.data.familiar_films:
        beside["learning to tell films from other pictures"] = familiar_seconds(settings, pool.studies, train, clock)
    trained = sum(model.parts().values())
    begun = clock()
    hashlib.sha256(tensor_bytes({name: tensor.contiguous() for name, tensor in model.trained_state().items()}))
    checkpoints = sum(stage.steps for stage in stages) // settings.train.checkpoint_every + len(stages)
    beside["checkpoints"] = 3 * checkpoints * (clock() - begun)  # the optimizer keeps two numbers a parameter
    memory = used_so_far(device).with_more(rest_bytes(settings, model, pool, train, val, bank), 12 * trained)
    weights = model.language.model.num_parameters()  # as published: 4-bit weights are packed
    weights += sum(p.numel() for n, p in model.named_parameters() if not n.startswith("language."))
    disk = (KEPT + 1) * 12 * trained + 4 * trained
    return Plan(model.parts(), weights - trained, stages, beside, memory, disk, device, bf16)


def pooled(settings: Settings, train: SplitData) -> list[Study]:
    """A sample of the training studies, and behind it a batch of those with the longest reports."""
    largest = max(getattr(settings, name).batch for name in planned(settings))
    order = sorted(range(len(train)), key=lambda i: train.lengths[i])
    longest = order[len(order) - min(largest, len(order)) :]
    others = np.random.default_rng(train.seed).permutation(order[: len(order) - len(longest)])
    sample = others[: max(POOL, largest)].tolist()
    return [train.studies[i] for i in [*sample, *longest]]


def prepared(
    settings: Settings, model: MRGModel, pool: SplitData, train: SplitData, val: SplitData,
    beside: dict[str, float], clock: Clock, told: Told,
) -> TextBank | None:  # fmt: skip
    """Make the pool ready for training as preparation.py does with all studies; the seconds of all go to `beside`."""
    in_pool, in_all, in_val = films_of(pool), films_of(train), films_of(val)
    begun = clock()
    pool.read_films(lambda done: told("reading some films", done, len(pool)))
    beside["reading the films"] = (clock() - begun) * (in_all + in_val) / in_pool
    bank = None
    if needs_texts(settings):
        begun, layers = clock(), settings.model.alignment.text_layers
        bank = TextBank.build(
            pool.studies, model.language, layers, lambda done, total: told("reading some reports", done, total)
        )
        of_all = different_texts(train.studies) + different_texts(val.studies)
        beside["reading the reports"] = (clock() - begun) * of_all / different_texts(pool.studies)
    copies = versions_that_fit(model, train, settings.data.augment_copies, settings.data.remember_gib)
    if copies:
        begun, most = clock(), settings.data.remember_gib
        with evaluating(model):
            remember_films(model, pool, 1, most, lambda done: told("looking at some films", done, len(pool)))
        beside["looking at every film once"] = (clock() - begun) * (copies * in_all + in_val) / in_pool
    return bank


def films_of(data: SplitData) -> int:
    return sum(len(study.views) for study in data.studies)


def different_texts(studies) -> int:
    """Reports and sentences that the LLM reads once each."""
    texts = [study.report or "" for study in studies]
    return len(unique([[text] for text in texts])[0]) + len(unique([split_sentences(text) for text in texts])[0])


def validation_seconds(
    settings: Settings, model: MRGModel, pool: SplitData, train: SplitData, val: SplitData, clock: Clock, told: Told
) -> float:
    """All validations of a run: retrieval after an alignment stage; losses, and reports where the metric reads them,
    every so many steps of the last stage. Written reports count as long as the reference reports are."""
    chosen, stages = settings.generate, planned(settings)
    if len(val) == 0:
        return 0.0
    told("a validation", 0, 3)
    seconds = 0.0
    if aligned := [name for name in stages if name != "generate"]:
        looks = len(aligned) + ("align_local" in aligned)  # for the findings' area under the curve
        seconds += looks * len(val) * measure.looking_seconds(model, pool, chosen.batch, clock)
    told("a validation", 1, 3)
    if "generate" in stages:
        steps = stage_steps(train, settings, "generate")
        times = math.ceil(steps / (chosen.validate_every or updates_per_epoch(train, settings, "generate", 1)))
        batches = measure.in_batches(len(val), chosen.batch)
        positions = sum(measure.batch_positions(model, val, indices) for indices in batches)
        seconds += times * positions * measure.losses_seconds(model, pool, chosen.batch, clock)
        told("a validation", 2, 3)
        if chosen.metric != "loss":
            tokens = min(settings.decode.max_new_tokens, sum(val.lengths) / len(val))
            written = min(chosen.validation_studies, len(val)) / min(settings.decode.batch, len(pool))
            seconds += times * written * measure.writing_seconds(model, pool, settings.decode, tokens, clock)
    told("a validation", 3, 3)
    return seconds


def familiar_seconds(settings: Settings, studies: list[Study], train: SplitData, clock: Clock) -> float:
    """What looking at the films with the published encoder takes, which mrg report later compares films with."""
    try:
        begun = clock()
        VisionEncoder.load(ENCODER)
        loading = clock() - begun
        familiar_films(studies[:FILMS], FILMS, settings.train.seed)
    except ModelSourceError:  # no such encoder here: training goes without, too
        return 0.0
    each = (clock() - begun - 2 * loading) / min(FILMS, sum(len(study.views) for study in studies[:FILMS]))
    return loading + max(0.0, each) * min(settings.data.familiar_films, films_of(train))
