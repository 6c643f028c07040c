"""A training step of stage 3, side by side with what a user would pick instead, on the same models and studies.

    python benchmarks/training.py [--data KIND:ROOT] [--studies 128] [--batch 16] [--rounds 5] [--threads 2]
                                  [--systems NAME ...] [--out benchmarks/results/training.json] [--more] [--memory]

    mrg              frozen LLM (bf16 where the processor has it), length buckets, logits where labels are, constant
                     words read once, films remembered from frozen layers
    mrg-recomputing  the same with train.checkpoint_activations
    r2gengpt-fp32    reports padded to the longest allowed (100 tokens, that code's own default), logits at every
                     position, everything in fp32
    r2gengpt-bf16    the same under bf16 autocast over fp32 weights
    trainer-peft     Hugging Face Trainer with peft prompt tuning on the same reports: no film is looked at

Every epoch is over all studies, the first of the training split of --data or as many that are drawn. All train the
encoder's last two layers and see the same number of visual tokens; mrg alone has customized and deep prompts. They take
turns, and a round's number is the processor seconds of an epoch. On a processor without bfloat16 instructions
mrg and the Trainer keep to float32, as `mrg train` does there. A system's floor is what the matrix products that its
epoch runs would take at the machine's measured rate. `--memory`: instead, the most memory that each takes for one step,
in a process of its own. `--more`: add to the rounds (or systems) that --out already has.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from common import SIZE, command, matrix_rate, options_of, result, summary, times, turns, write
from torch.utils.flop_counter import FlopCounterMode

from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import Settings, load_settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import write_phantoms
from mrg_llm.studies.study import Study
from mrg_llm.training.data import SplitData, on_device
from mrg_llm.training.memory import remember_films
from mrg_llm.training.optimizer import make_optimizer
from mrg_llm.training.precision import is_bf16, prepare_model
from mrg_llm.training.stages import make_stage

Epoch = Callable[[], object]  # one pass over the studies
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SYSTEMS = ("mrg", "mrg-recomputing", "r2gengpt-fp32", "r2gengpt-bf16", "trainer-peft")


def main() -> None:
    parser = options_of(str(__doc__))
    parser.add_argument("--data", help="KIND:ROOT; else phantoms are drawn")
    parser.add_argument("--studies", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", action="store_true", help="of this process after one epoch, in bytes: for --memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = [name for name in options.systems if has_what_it_needs(name)]
    known = json.loads(options.out.read_text()) if options.more else {}
    if options.memory:
        found = {name: peak_memory(name, options) for name in names}
        section = {
            "command": command(), "unit": "GB of memory at most",
            "per": f"a step of {options.batch} studies in a process of its own",
            "systems": {**known.get("sections", {}).get("memory", {}).get("systems", {}), **found},
        }  # fmt: skip
        known = known or result("training", unit="", per="", systems={})
        write(options.out, {**known, "sections": {**known.get("sections", {}), "memory": section}})
        return
    with tempfile.TemporaryDirectory() as folder:
        if not options.data:
            write_phantoms(Path(folder), options.studies, seed=0, splits=(1.0, 0.0, 0.0))
        studies = list(open_studies(options.data or f"phantom:{folder}").split("train"))[: options.studies]
        systems = {name: made(name, studies, options.batch) for name in names}
        if options.peak:
            for epoch in systems.values():
                epoch()
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
            return
        for found in measured(systems, options, known):
            write(options.out, found)  # after every round: a run that is cut off leaves what it has


def has_what_it_needs(name: str) -> bool:
    missing = [p for p in ("peft", "accelerate") if name == "trainer-peft" and importlib.util.find_spec(p) is None]
    if missing:
        print(f"{name} is left out: {' and '.join(missing)} are not installed", file=sys.stderr)
    return not missing


def made(name: str, studies: list[Study], batch: int) -> Epoch:
    match name:
        case "mrg" | "mrg-recomputing":
            return ours(studies, batch, recompute=name == "mrg-recomputing")
        case "r2gengpt-fp32" | "r2gengpt-bf16":
            return r2gengpt_style(studies, batch, autocast=name == "r2gengpt-bf16")
    return trainer_peft(studies, batch)


def measured(systems: dict[str, Epoch], options, known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """After each round, the result in common.py's layout. The first epoch of each warms up; its operations count."""
    whose = f"training studies of {options.data.partition(':')[0]}" if options.data else "drawn studies"
    per = f"an epoch over {options.studies} {whose}, {options.batch} a step"
    if known.get("systems") and known["per"] != per:
        sys.exit(f"{options.out} holds epochs of another size ({known['per']}); take the same --studies and --batch")
    operations = {name: system["operations"] for name, system in known.get("systems", {}).items()}
    operations |= {name: counted(epoch) for name, epoch in systems.items()}
    rounds = {name: list(system["rounds"]) for name, system in known.get("systems", {}).items()}
    rates = known.get("operations_a_second", dict.fromkeys(DTYPES, 0.0))
    first = max(map(len, rounds.values()), default=0)
    for number in range(first, first + options.rounds):
        rates = {name: max(rate, matrix_rate(DTYPES[name], seconds=0.5)) for name, rate in rates.items()}
        for name, seconds in turns(systems, number).items():
            rounds.setdefault(name, []).append(seconds)
        shown = {name: f"{n / options.studies / 1e9:.1f}" for name, n in operations.items()}
        found = result(
            "training", unit="processor seconds", per=per,
            systems={name: summary(taken, operations=operations[name], GFLOP_a_study=shown[name])
                     for name, taken in rounds.items()},
            floors={name: floor(n, dtype := dtype_of(name), rates[dtype]) for name, n in operations.items()},
            ratios={f"{name} / mrg": times(taken[: len(rounds["mrg"])], rounds["mrg"][: len(taken)])
                    for name, taken in rounds.items() if "mrg" in rounds and name != "mrg"},
            sections=known.get("sections", {}),
        )  # fmt: skip
        yield {**found, "operations_a_second": rates}


def dtype_of(name: str) -> str:
    """In which the system's matrix products run on this machine."""
    bf16 = name == "r2gengpt-bf16" or (name != "r2gengpt-fp32" and is_bf16("auto", "cpu"))
    return "bfloat16" if bf16 else "float32"


def floor(operations: int, dtype: str, rate: float) -> dict[str, Any]:
    said = f"{operations / 1e9:,.0f} GFLOP of matrix products in {dtype} at {rate / 1e9:.0f} GFLOP a second"
    return {"value": operations / rate, "why": said}


def counted(epoch: Epoch) -> int:
    """Operations of the matrix products of an epoch."""
    with FlopCounterMode(display=False) as counter:
        epoch()
    return counter.get_total_flops()


def peak_memory(name: str, options) -> dict[str, Any]:
    batch = str(options.batch)
    command = [sys.executable, __file__, "--peak", "--systems", name, "--studies", batch, "--batch", batch]
    command += ["--data", options.data] if options.data else []
    run = subprocess.run([*command, "--threads", str(torch.get_num_threads())], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{name} ended with {run.returncode}:\n{run.stderr[-2000:]}")
    peak = int(run.stdout.split()[-1]) / 1e9
    print(f"{name}: {peak:.2f} GB", file=sys.stderr, flush=True)
    return summary([peak])


def chosen_settings(batch: int, variant: str) -> Settings:
    return load_settings("iu-xray", [
        *SIZE,
        f"generate.batch={batch}", "generate.contrast_weight=0", "generate.finding_weight=1", "generate.blind=0",
        "data.augment=false", "data.normal_share=1", "data.max_report_tokens=100", "data.deidentified=keep",
        "model.vision.trained_layers=2", "train.lr_encoder=1e-5", "model.prompts.condition=attention",
        f"model.prompts.variant={variant}", f"model.prompts.deep={'true' if variant == 'prompt-wise' else 'false'}",
    ])  # fmt: skip


def ours(studies: list[Study], batch: int, recompute: bool) -> Epoch:
    settings = chosen_settings(batch, "prompt-wise")
    torch.manual_seed(0)
    bf16 = is_bf16("auto", "cpu")
    model = MRGModel.build(settings.model, torch.bfloat16 if bf16 else torch.float32)
    prepare_model(model, bf16, recompute)
    data = SplitData(studies, model.language.tokenizer, settings, augmented=True)
    remember_films(model, data, 1, most_gib=4)
    stage = make_stage("generate", model, settings, None)
    optimizer = make_optimizer(stage, settings.train)

    def epoch() -> None:
        for rows in data.batches(batch, 0, data.steps_per_epoch(batch)):
            stage(on_device(rows, "cpu")).total.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return epoch


def r2gengpt_style(studies: list[Study], batch: int, autocast: bool) -> Epoch:
    """The step of R2GenGPT (shallow) as its code has it: pad to max_length, `labels=` over the whole sequence."""
    settings = chosen_settings(batch, "none")
    torch.manual_seed(0)
    model = MRGModel.build(settings.model).train()
    data = SplitData(studies, model.language.tokenizer, settings, augmented=True)
    longest = settings.data.max_report_tokens
    optimizer = torch.optim.AdamW([p for p in model.trained_parameters().values()], lr=1e-4)
    order = [list(range(i, min(i + batch, len(data)))) for i in range(0, len(data), batch)]

    def epoch() -> None:
        for indices in order:
            rows = on_device(data.make(0, indices), "cpu")
            pad = longest - rows.report_ids.shape[1]
            ids = torch.nn.functional.pad(rows.report_ids, (0, pad))
            mask = torch.nn.functional.pad(rows.report_mask.long(), (0, pad))
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                inputs = model.llm_input(rows.look(model), ids, mask)
                before = torch.full((len(ids), inputs.report_start), -100)
                labels = torch.cat([before, ids.masked_fill(mask == 0, -100)], dim=1)
                loss = model.language.model(
                    inputs_embeds=inputs.embeddings, attention_mask=inputs.mask, labels=labels
                ).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return epoch


def trainer_peft(studies: list[Study], batch: int) -> Epoch:
    from peft import PromptTuningConfig, get_peft_model
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

    settings = chosen_settings(batch, "prompt-wise")
    model = MRGModel.build(settings.model)
    tokenizer = model.language.tokenizer
    data = SplitData(studies, tokenizer, settings, augmented=True)
    views = max(len(study.views) for study in studies)
    tokens = settings.model.prompts.prompts + views * settings.model.projection.grid**2
    tuned = get_peft_model(model.language.model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens))
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    rows = [{"input_ids": list(report)} for report in data.reports]

    def epoch() -> None:
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder, per_device_train_batch_size=batch, num_train_epochs=1, use_cpu=True,
                bf16=is_bf16("auto", "cpu"), report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
            )  # fmt: skip
            collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
            Trainer(model=tuned, args=arguments, train_dataset=rows, data_collator=collator).train()

    return epoch


if __name__ == "__main__":
    main()
