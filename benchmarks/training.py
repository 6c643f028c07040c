"""A training step of stage 3, side by side with what a user would pick instead, on the same models and studies.

    python benchmarks/training.py [--studies 128] [--batch 16] [--rounds 5] [--threads 2] [--systems NAME ...] [--quick]
                                  [--out training.json] [--plot training.png]

    mrg             frozen LLM (bf16 where the processor has it), length buckets, logits where labels are, films
                    remembered from frozen layers
    r2gengpt-fp32   reports padded to the longest allowed, logits at every position, everything in fp32
    r2gengpt-bf16   the same under bf16 autocast over fp32 weights
    trainer-peft    Hugging Face Trainer with peft prompt tuning on the same reports: no film is looked at

All train the same encoder layers and see the same number of visual tokens; mrg alone has customized and deep prompts.
They take turns; seconds are the processor's, and the median of the rounds is given with the range. On a processor
without bfloat16 instructions mrg keeps to float32, as `mrg train` does there. The floor is what the step's matrix
products would take at the machine's measured rate. `--quick`: two batches, one round.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

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

Epoch = Callable[[], int]  # one pass over the studies; returns report tokens trained on


def chosen_settings(batch: int, variant: str) -> Settings:
    return load_settings("iu-xray", [
        f"generate.batch={batch}", "generate.contrast_weight=0", "generate.finding_weight=1", "data.augment=false",
        f"model.prompts.variant={variant}", f"model.prompts.deep={'true' if variant == 'prompt-wise' else 'false'}",
    ])  # fmt: skip


def ours(studies: list[Study], batch: int) -> Epoch:
    settings = chosen_settings(batch, "prompt-wise")
    torch.manual_seed(0)
    bf16 = is_bf16("auto", "cpu")
    model = MRGModel.build(settings.model, torch.bfloat16 if bf16 else torch.float32)
    prepare_model(model, bf16)
    data = SplitData(studies, model.language.tokenizer, settings, augmented=True)
    remember_films(model, data, 1, most_gib=4)
    stage = make_stage("generate", model, settings, None)
    optimizer = make_optimizer(stage, settings.train)

    def epoch() -> int:
        for rows in data.batches(batch, 0, data.steps_per_epoch(batch)):
            stage(on_device(rows, "cpu")).total.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return sum(data.lengths)

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

    def epoch() -> int:
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
        return sum(data.lengths)

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

    def epoch() -> int:
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder, per_device_train_batch_size=batch, num_train_epochs=1, use_cpu=True, bf16=True,
                report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
            )  # fmt: skip
            collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
            Trainer(model=tuned, args=arguments, train_dataset=rows, data_collator=collator).train()
        return sum(data.lengths)

    return epoch


def floor_seconds(studies: list[Study], batch: int) -> float:
    """Matrix products of one epoch of `mrg` at the machine's rate (performance of a 2048 x 2048 product)."""
    settings = chosen_settings(batch, "prompt-wise")
    model = MRGModel.build(settings.model, torch.bfloat16)
    data = SplitData(studies, model.language.tokenizer, settings, augmented=True)
    head = model.language.model.get_output_embeddings().weight.numel()
    body = sum(p.numel() for p in model.language.model.parameters()) - head  # the table is tied to the head
    prefix = sum(len(part) for part in (model.frame.before, model.frame.after)) + settings.model.prompts.prompts
    grid = settings.model.projection.grid**2
    positions = sum(n + prefix + grid * len(s.views) for n, s in zip(data.lengths, studies, strict=True))
    upper = sum(p.numel() for p in model.vision.parameters() if p.requires_grad)
    patches = sum(len(s.views) for s in studies) * (model.vision.patches + 1)
    # Frozen: forward, and backward to what it read. Trained: the weights' gradient as well.
    products = 4 * body * positions + 4 * head * sum(data.lengths) + 6 * upper * patches
    return products / matrix_rate()


def matrix_rate(side: int = 2048, seconds: float = 2.0) -> float:
    """Operations a processor second of a matrix product in mrg's precision."""
    a = torch.randn(side, side, dtype=torch.bfloat16 if is_bf16("auto", "cpu") else torch.float32)
    a @ a
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        a @ a
        count += 1
    return count * 2 * side**3 / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--systems", nargs="+", help="only these")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.studies, options.rounds = 2 * options.batch, 1
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms(Path(folder), options.studies, seed=0, splits=(1.0, 0.0, 0.0))
        studies = list(open_studies(f"phantom:{folder}").split("train"))
        makers: dict[str, Callable[[], Epoch]] = {
            "mrg": lambda: ours(studies, options.batch),
            "r2gengpt-bf16": lambda: r2gengpt_style(studies, options.batch, autocast=True),
            "r2gengpt-fp32": lambda: r2gengpt_style(studies, options.batch, autocast=False),
            "trainer-peft": lambda: trainer_peft(studies, options.batch),
        }
        if missing := [name for name in ("peft", "accelerate") if importlib.util.find_spec(name) is None]:
            del makers["trainer-peft"]
            print(f"trainer-peft is left out: {' and '.join(missing)} are not installed")
        systems = {name: make() for name, make in makers.items() if name in (options.systems or makers)}
        floor = floor_seconds(studies, options.batch)
        seconds = alternated(systems, options.rounds)
    show(seconds, floor, len(studies))
    if options.out:
        facts = {"cpus": os.cpu_count(), "processor": platform.processor(), "torch": torch.__version__,
                 "capability": torch.backends.cpu.get_cpu_capability(), "threads": options.threads}  # fmt: skip
        result = {"studies": len(studies), "batch": options.batch, "machine": facts, "floor": floor, "seconds": seconds}
        options.out.write_text(json.dumps(result, indent=1))
    if options.plot:
        plot(seconds, floor, len(studies), options.plot)


def alternated(systems: dict[str, Epoch], rounds: int) -> dict[str, list[float]]:
    """Processor seconds an epoch of each, taking turns; a first epoch of each warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(rounds + 1):
        names = list(systems) if number % 2 else list(reversed(systems))
        for name in names:
            start = time.process_time()
            systems[name]()
            if number:
                seconds[name].append(time.process_time() - start)
    return seconds


def show(seconds: dict[str, list[float]], floor: float, studies: int) -> None:
    mine = statistics.median(seconds.get("mrg", [float("nan")]))
    print(f"{studies} studies, studies a processor second: median (least to most)\n")
    print("| step | studies/s | mrg is faster by |\n|---|---:|---:|")
    for name, values in seconds.items():
        rate = f"{studies / statistics.median(values):.2f} ({studies / max(values):.2f} to {studies / min(values):.2f})"
        print(f"| {name} | {rate} | {statistics.median(values) / mine:.2f}x |")
    print(f"| floor (matrix products alone) | {studies / floor:.2f} | {floor / mine:.2f}x |")


def plot(seconds: dict[str, list[float]], floor: float, studies: int, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
    for place, (name, values) in enumerate(seconds.items()):
        axis.barh(place, studies / statistics.median(values), color="tab:blue" if name == "mrg" else "tab:gray")
        axis.plot([studies / v for v in values], [place] * len(values), "k.", markersize=3)
    axis.axvline(studies / floor, linestyle="--", color="tab:red")
    axis.set(yticks=range(len(seconds)), yticklabels=list(seconds), xlabel="studies a second (dashed: the floor)")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
