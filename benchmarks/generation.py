"""Writing reports, side by side with transformers' `generate` on the same weights, films and settings.

    python benchmarks/generation.py [--run RUN --data KIND:ROOT] [--studies 590] [--batch 8] [--large 48] [--rounds 5]
                                    [--threads 1] [--quick] [--out generation.json]

    mrg             our greedy search, `--batch` studies at once, others join as some end
    mrg-large       the same with `--large` studies at once
    mrg-1           the same with one study at once
    greedy          generate, greedy, in batches of `--batch`
    greedy-1        generate, greedy, one by one
    beam-3          generate, beam search with 3 beams, in batches of `--batch` (other texts)

Without a run the default models are built untrained, and every report has the longest allowed length. What is seen in
the films is computed once, before. The systems take turns; seconds are the processor's (the wall's are in the JSON),
in float32; the median of the rounds is given with the range. `--quick`: 4 studies, one round. Every greedy text is
compared with generate's. The floor: the LLM's weights read once a step at the measured bandwidth, or the matrix
products at the measured rate, whichever is longer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from mrg_llm import runs
from mrg_llm.model.decoding import Draft, decoded, write_many
from mrg_llm.model.greedy import Look
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.processing import Reporter
from mrg_llm.settings import DecodeSettings, load_settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import write_phantoms
from mrg_llm.studies.study import Study

System = Callable[[], list[Draft]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--data", help="KIND:ROOT, whose test split is written for; else phantoms are drawn")
    parser.add_argument("--studies", type=int, default=590)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--large", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--systems", nargs="+", help="only these")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.studies, options.rounds = 4, 1
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="transformers")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        reporter, studies = subject(options, Path(folder))
        ways = systems(reporter, studies, options.batch, options.large)
        ways = {name: way for name, way in ways.items() if name in (options.systems or ways)}
        seconds, drafts = alternated(ways, options.rounds)
        texts = {name: differing(drafts[name], drafts.get("greedy")) for name in ways if name != "beam-3"}
        tokens = {name: sum(d.tokens + d.ended for d in written) for name, written in drafts.items()}
        lowest = floors(reporter.model, tokens, {"mrg-large": options.large, "mrg-1": 1}, options.batch)
    show(seconds, texts, lowest, len(studies))
    if options.out:
        facts = {
            "cpus": os.cpu_count(), "processor": platform.processor(), "torch": torch.__version__,
            "capability": torch.backends.cpu.get_cpu_capability(), "threads": options.threads,
            "load": os.getloadavg(),
        }  # fmt: skip
        result = {
            "studies": len(studies), "batch": options.batch, "large": options.large, "machine": facts,
            "tokens": tokens, "texts_that_differ": texts, "floor": lowest, "seconds": seconds,
        }  # fmt: skip
        options.out.write_text(json.dumps(result, indent=1))


def subject(options: argparse.Namespace, folder: Path) -> tuple[Reporter, list[Study]]:
    """What writes, and for which studies."""
    data = options.data
    if not data:
        write_phantoms(folder, options.studies, seed=0, splits=(0.0, 0.0, 1.0))
        data = f"phantom:{folder}"
    studies = list(open_studies(data).split("test"))[: options.studies]
    if options.run:
        return runs.load(options.run, device="cpu"), studies
    torch.manual_seed(0)
    return Reporter(MRGModel.build(load_settings("iu-xray").model), DecodeSettings(), "untrained"), studies


def systems(reporter: Reporter, studies: list[Study], batch: int, large: int) -> dict[str, System]:
    model, decode = reporter.model, reporter.decode.model_copy(update={"beams": 1, "samples": 0})

    def looks(size: int) -> list[Look]:
        return [reporter.look(studies[i : i + size]) for i in range(0, len(studies), size)]

    some, many, single = looks(batch), looks(large), looks(1)

    def ours(seen: list[Look], size: int) -> System:
        settings = decode.model_copy(update={"batch": size})
        return lambda: list(write_many(model, iter(seen), settings))

    def theirs(seen: list[Look], beams: int) -> System:
        settings = decode.model_copy(update={"beams": beams})
        return lambda: [d for films, words in seen for d in decoded(model, films, settings, words)]

    return {
        "mrg": ours(some, batch), "mrg-large": ours(many, large), "mrg-1": ours(single, 1),
        "greedy": theirs(some, 1), "greedy-1": theirs(single, 1), "beam-3": theirs(some, 3),
    }  # fmt: skip


def alternated(ways: dict[str, System], rounds: int) -> tuple[dict[str, list[dict[str, float]]], dict]:
    """Seconds of each system in each round, and what it wrote."""
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    drafts = {}
    for number in range(rounds):
        for name in ways if number % 2 == 0 else reversed(ways):
            processor, wall = time.process_time(), time.perf_counter()
            drafts[name] = ways[name]()
            taken = {"processor": time.process_time() - processor, "wall": time.perf_counter() - wall}
            seconds[name].append(taken)
            print(f"{name}: {taken['processor']:.1f} s of the processor", flush=True)
    return seconds, drafts


def differing(drafts: list[Draft], others: list[Draft] | None) -> int | None:
    return sum(a.text != b.text for a, b in zip(drafts, others, strict=True)) if others else None


def floors(model: MRGModel, tokens: dict[str, int], sizes: dict[str, int], batch: int) -> dict[str, float]:
    """Seconds below which these systems cannot write what they wrote."""
    language = model.language.model
    matrices = sum(p.numel() for p in language.parameters() if p.dim() == 2)  # table and head
    weight = next(language.parameters()).element_size()
    if not language.config.tie_word_embeddings:
        matrices -= language.get_input_embeddings().weight.numel()
    rate, bandwidth = matrix_rate(), bytes_a_second()
    found = {"bytes_a_second": bandwidth, "operations_a_second": rate}
    for name in tokens.keys() & {"mrg", "mrg-large", "mrg-1"}:
        count = tokens[name]
        reading = count / sizes.get(name, batch) * matrices * weight / bandwidth
        found[name] = max(reading, 2 * matrices * count / rate)
    return found


def matrix_rate(side: int = 1024, seconds: float = 2.0) -> float:
    """Operations a processor second of a float32 matrix product."""
    a = torch.randn(side, side)
    return 2 * side**3 * repeated(lambda: a @ a, seconds)


def bytes_a_second(size: int = 1 << 26, seconds: float = 2.0) -> float:
    """Bytes a processor second that a sum over memory outside the caches reads."""
    a = torch.ones(size)
    return 4 * size * repeated(lambda: a.sum(), seconds)


def repeated(task: Callable[[], object], seconds: float) -> float:
    """Times a processor second."""
    task()
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        task()
        count += 1
    return count / (time.process_time() - start)


def show(seconds: dict, texts: dict[str, int | None], lowest: dict[str, float], studies: int) -> None:
    medians = {name: statistics.median(r["processor"] for r in rows) for name, rows in seconds.items()}
    print(f"\n{studies} studies, processor seconds: median (least to most)\n")
    print("| system | seconds | times mrg | texts unlike greedy's | floor |\n|---|---:|---:|---:|---:|")
    for name, rows in seconds.items():
        values = [row["processor"] for row in rows]
        ratio = f"{medians[name] / medians['mrg']:.2f}" if "mrg" in medians else ""
        spread = f"{medians[name]:.1f} ({min(values):.1f} to {max(values):.1f})"
        floor = f"{lowest[name]:.1f}" if name in lowest else ""
        print(f"| {name} | {spread} | {ratio} | {texts.get(name, '')} | {floor} |")


if __name__ == "__main__":
    main()
