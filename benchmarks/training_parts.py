"""What each technique of a training step is worth: the step as it is, and with one technique off, on the same batch.

    python benchmarks/training_parts.py [--batch 16] [--rounds 5] [--threads 2] [--more]
                                        [--out benchmarks/results/training_parts.json]

They take turns in one process; a round's number is the processor seconds of one step (forward, backward, update), and
beside it stands how far the first step's loss is from that of the step as it is: all of it is exact. The section
`where` says what the time of a step goes into. `--more`: add to the rounds that --out already has.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from common import options_of, result, summary, times, turns, write
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile
from training import chosen_settings

from mrg_llm.model.configuration import LanguageConfig
from mrg_llm.model.gating import is_swiglu
from mrg_llm.model.language import recomputed
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.sequence import make_frame
from mrg_llm.settings import Settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.batches import Batch
from mrg_llm.studies.phantom import write_phantoms
from mrg_llm.training.data import SplitData, on_device
from mrg_llm.training.memory import remember_films
from mrg_llm.training.optimizer import make_optimizer
from mrg_llm.training.precision import prepare_model
from mrg_llm.training.stages import make_stage

LONG = LanguageConfig(
    chat=True, system="You are a radiologist. You look at chest films and dictate the findings of a report in full "
    "sentences: the heart, the mediastinum, the lungs, the pleura, the bones and devices, in this order.",
    instruction="These are the frontal and the lateral film of one study. Describe what they show, say what is normal, "
    "and name every abnormal finding with its place and its side. Films: {image} Findings:",
)  # fmt: skip
KINDS = {
    "matrix products": ("mm", "bmm", "addmm", "baddbmm"),
    "softmax and exponentials": ("_softmax", "_softmax_backward_data", "exp", "exp_", "silu", "silu_backward", "gelu",
                                 "gelu_backward"),
    "copies": ("copy_", "cat", "fill_", "index", "index_put_", "gather", "masked_fill_", "masked_scatter"),
    "optimizer": ("_fused_adamw_",),
}  # fmt: skip


class Bench:
    """One model in stage 3, its optimizer, and one batch in the forms that the techniques give it."""

    def __init__(self, settings: Settings, batch: int):
        self.settings = settings
        torch.manual_seed(0)
        self.model = MRGModel.build(self.settings.model)
        prepare_model(self.model, bf16=False)
        with tempfile.TemporaryDirectory() as folder:
            write_phantoms(Path(folder), batch, seed=0, splits=(1.0, 0.0, 0.0))
            studies = list(open_studies(f"phantom:{folder}").split("train"))
            data = SplitData(studies, self.model.language.tokenizer, self.settings, augmented=True)
            self.unseen = data.make(0, range(batch))
            remember_films(self.model, data, 1, most_gib=4)
            self.batch = data.make(0, range(batch))
        self.stage = make_stage("generate", self.model, self.settings, None)
        self.optimizer = make_optimizer(self.stage, self.settings.train)
        self.losses: dict[str, float] = {}

    def step(self, name: str, batch: Batch | None = None, technique_off: Callable[[Bench], Any] | None = None) -> None:
        with ExitStack() as stack:
            if technique_off:
                stack.enter_context(technique_off(self))
            loss = self.stage(on_device(batch or self.batch, "cpu")).total
            loss.backward()
        self.losses.setdefault(name, float(loss.detach()))
        for parameter in self.model.language.parameters():
            parameter.grad = None
        for (
            group
        ) in self.optimizer.param_groups:  # as long as an update, but the next step starts from the same weights
            group["lr"] = group["weight_decay"] = 0.0
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def padded(self) -> Batch:
        """The batch as if no bucket had been made and reports were padded to the longest allowed."""
        wide = self.settings.data.max_report_tokens - self.batch.report_ids.shape[1]
        ids, mask, weights = (
            np.pad(a, ((0, 0), (0, wide)))
            for a in (self.batch.report_ids, self.batch.report_mask, self.batch.report_weights)
        )
        b = self.batch
        return Batch(b.indices, b.films, b.views, ids, mask, weights, b.context_ids, b.context_mask)


# -- one technique off -------------------------------------------------------------------------------------------------


def constant_words_run(bench: Bench):
    return patch("mrg_llm.model.ahead.fits", lambda language: False)


def whole_vocabulary_at_once(bench: Bench):
    return patch(
        "mrg_llm.model.modeling.frozen_cross_entropy",
        lambda hidden, head, ids: cross_entropy(head(hidden).float(), ids, reduction="none"),
    )


@contextmanager
def logits_everywhere(bench: Bench) -> Iterator[None]:
    """Logits at every position that is run, of which the report's are used."""

    def losses(self, seen, ids, mask, context=None, hidden=None):
        inputs = self.llm_input(seen, ids, mask, context)
        with self.language.deep_prompts(self.at_every_layer(seen), inputs.prompt_start):
            hidden = self.language.hidden(inputs.embeddings, inputs.mask, inputs.positions)
        logits = self.language.logits(hidden)[:, inputs.report_start - 1 : -1]
        return cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").view(ids.shape) * mask

    with patch.object(MRGModel, "token_losses", losses):
        yield


@contextmanager
def gradient_of_frozen_weights(bench: Bench) -> Iterator[None]:
    layers = bench.model.language.decoder_layers()
    for layer in layers:
        layer.requires_grad_(True)
    yield
    for layer in layers:
        layer.requires_grad_(False)


@contextmanager
def fused_attention(bench: Bench) -> Iterator[None]:
    bench.model.language.use_matmul_attention(False)
    yield
    bench.model.language.use_matmul_attention(True)


@contextmanager
def swiglu_of_torch(bench: Bench) -> Iterator[None]:
    with ExitStack() as stack:
        for block in filter(is_swiglu, bench.model.language.modules()):
            stack.enter_context(patch.object(block, "forward", partial(type(block).forward, block)))
        yield


@contextmanager
def activations_recomputed(bench: Bench) -> Iterator[None]:
    with ExitStack() as stack:
        for layer in bench.model.language.decoder_layers():
            stack.enter_context(patch.object(layer, "forward", recomputed(layer.forward)))
        yield


@contextmanager
def long_instruction(bench: Bench, run: bool = False) -> Iterator[None]:
    frame = make_frame(bench.model.language.tokenizer, LONG)
    with patch.object(bench.model, "frame", frame), ExitStack() as stack:
        if run:
            stack.enter_context(constant_words_run(bench))
        yield


STEPS: dict[str, Callable[[Bench, str], None]] = {
    "mrg": lambda b, name: b.step(name),
    "constant words run in every step": lambda b, name: b.step(name, None, constant_words_run),
    "logits of the whole vocabulary at once": lambda b, name: b.step(name, None, whole_vocabulary_at_once),
    "logits at every position, constant words run": lambda b, name: b.step(name, None, logits_everywhere),
    "reports padded to the longest allowed": lambda b, name: b.step(name, b.padded()),
    "films looked at from the first layer": lambda b, name: b.step(name, b.unseen),
    "gradient of frozen weights": lambda b, name: b.step(name, None, gradient_of_frozen_weights),
    "torch's fused attention": lambda b, name: b.step(name, None, fused_attention),
    "SwiGLU of torch's operations": lambda b, name: b.step(name, None, swiglu_of_torch),
    "activations recomputed": lambda b, name: b.step(name, None, activations_recomputed),
    "long instruction": lambda b, name: b.step(name, None, long_instruction),
    "long instruction, run in every step": lambda b, name: b.step(name, None, lambda x: long_instruction(x, run=True)),
}


# -- measured ----------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = options_of(str(__doc__))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--more", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known = json.loads(options.out.read_text()) if options.more else {}
    bench = Bench(chosen_settings(options.batch, "prompt-wise"), options.batch)
    steps = {name: (lambda name=name, step=step: step(bench, name)) for name, step in STEPS.items()}
    for step in steps.values():  # warms up, and gives the losses
        step()
    rounds = {name: list(system["rounds"]) for name, system in known.get("systems", {}).items()}
    sections = {"where": where(bench)} | known.get("sections", {})
    first = max(map(len, rounds.values()), default=0)
    for number in range(first, first + options.rounds):
        for name, seconds in turns(steps, number).items():
            rounds.setdefault(name, []).append(seconds)
        write(options.out, found(bench, rounds, sections))  # after every round: one that is cut off leaves what it has


def found(bench: Bench, rounds: dict[str, list[float]], sections: dict[str, Any]) -> dict[str, Any]:
    """The result in common.py's layout."""
    words = [len(frame.before) for frame in (bench.model.frame, make_frame(bench.model.language.tokenizer, LONG))]
    long = ("long instruction, run in every step", "long instruction")
    return result(
        "training_parts", unit="processor seconds", per=f"a step of {len(bench.batch.indices)} drawn studies",
        systems={name: summary(taken, loss_is_off_by=off(bench, name)) for name, taken in rounds.items()},
        ratios={f"{name} / mrg": times(taken, rounds["mrg"]) for name, taken in rounds.items() if name != "mrg"}
        | {" / ".join(long): times(*(rounds[name] for name in long))},
        sections=sections,
        notes=[f"the constant words are {words[0]} tokens, those of the long instruction {words[1]}"],
    )  # fmt: skip


def off(bench: Bench, name: str) -> str:
    base = "long instruction" if name.startswith("long") else "mrg"
    return f"{abs(bench.losses[name] - bench.losses[base]):.0e}" if name != base else ""


def where(bench: Bench) -> dict[str, Any]:
    """Shares of a step's processor time by kind of operation."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        bench.step("profile")
    events = {e.key.removeprefix("aten::"): e.self_cpu_time_total for e in found.key_averages()}
    whole = sum(events.values())
    shares = {kind: sum(events.get(name, 0.0) for name in names) / whole for kind, names in KINDS.items()}
    shares["additions, multiplications and the rest"] = 1 - sum(shares.values())
    return {
        "unit": "share of the time", "per": "one step", "x": "kind",
        "systems": {kind: summary([share]) for kind, share in shares.items()},
    }  # fmt: skip


if __name__ == "__main__":
    main()
