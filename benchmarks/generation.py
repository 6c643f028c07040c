"""Writing reports, side by side with transformers' `generate` on the same weights, films and settings.

    python benchmarks/generation.py [--run RUN --data KIND:ROOT --split test] [--studies 590] [--rounds 5] [--batch 8]
                                    [--ones 4] [--systems NAME ...] [--threads 1] [--out FILE] [--state FILE --only N]

    mrg             our greedy search, `--batch` studies at once, others join as some end
    mrg-default     the same with the run's own number at once
    greedy          generate, greedy, in batches of `--batch`
    beam-3          generate, beam search with 3 beams, in batches of `--batch` (other texts)
    mrg-1, greedy-1 one study at a time, the first `--ones` of each slice

Every round takes its own slice of the studies (590 in 5 rounds: 118 each), in which all systems write the same reports
in an order that is the round's own; what is seen in the films is computed once, before. Seconds are the processor's, in
float32. With `--state` every round is kept as it ends, and a run that was stopped goes on behind it; `--only N` stops
after N more rounds (0: concludes from what there is). Every greedy text is compared with generate's. Floors: the
weights read once a step at the measured bandwidth, in two bytes each as bfloat16 was published, or the matrix products
at the measured rate, whichever is longer; and the prompts' matrix products.
Without a run the default models are built untrained, and every report has the longest allowed length.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from common import SIZE, by_system, bytes_a_second, matrix_rate, options_of, result, summary, times, turns, write

from mrg_llm import runs
from mrg_llm.model.decoding import Draft, decoded, write_many
from mrg_llm.model.greedy import Look
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.processing import Reporter
from mrg_llm.settings import DecodeSettings, load_settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import write_phantoms
from mrg_llm.studies.study import Study

GREEDY = ("mrg", "mrg-default", "mrg-1", "greedy-1")  # whose texts must be those of greedy
Way = Callable[[], list[Draft]]

PLAIN = {"beams": 1, "samples": 0, "weights": "full", "guidance": 0.0}  # what `generate` writes, too


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--data", help="KIND:ROOT; else phantoms are drawn")
    parser.add_argument("--split", default="test")
    parser.add_argument("--studies", type=int, default=590)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--ones", type=int, default=4, help="studies a round that are written one at a time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--systems", nargs="+", help="only these")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--only", type=int, help="stop after this many rounds")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="transformers")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        reporter, studies = subject(options, Path(folder))
        done = json.loads(options.state.read_text()) if options.state and options.state.is_file() else []
        most = options.rounds if options.only is None else options.only
        for number in range(len(done), min(options.rounds, len(done) + most)):
            part = studies[number * len(studies) // options.rounds : (number + 1) * len(studies) // options.rounds]
            done.append(one_round(reporter, part, number, options))
            if options.state:
                options.state.write_text(json.dumps(done))
        found = concluded(done, reporter, options)
        write(options.out, found)
        show(found)


def subject(options: argparse.Namespace, folder: Path) -> tuple[Reporter, list[Study]]:
    """What writes, and for which studies."""
    data = options.data
    if not data:
        write_phantoms(folder, options.studies, seed=0, splits=(0.0, 0.0, 1.0))
        data = f"phantom:{folder}"
    studies = list(open_studies(data).split(options.split))[: options.studies]
    if options.run:
        return runs.load(options.run, device="cpu"), studies
    torch.manual_seed(0)
    return Reporter(MRGModel.build(load_settings("iu-xray", SIZE).model), DecodeSettings(), "untrained"), studies


def one_round(reporter: Reporter, studies: list[Study], number: int, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds, tokens and differing texts of each system on one slice."""
    ways = systems(reporter, studies, options.batch, options.ones)
    ways = {name: way for name, way in ways.items() if name in (options.systems or ways)}
    drafts: dict[str, list[Draft]] = {}

    def keep(name: str) -> Callable[[], None]:
        return lambda: drafts.__setitem__(name, ways[name]())

    seconds = turns({name: keep(name) for name in ways}, number)
    truth = drafts.get("greedy", [])
    return {
        "studies": len(studies),
        "seconds": seconds,
        "tokens": {name: sum(d.tokens + d.ended for d in written) for name, written in drafts.items()},
        "written": {name: len(written) for name, written in drafts.items()},
        "read": prompts(reporter, studies[: options.ones]) / options.ones,
        "differ": {
            name: sum(a.text != b.text for a, b in zip(drafts[name], truth, strict=False))
            for name in drafts
            if truth and name not in ("greedy", "beam-3")
        },
    }


def systems(reporter: Reporter, studies: list[Study], batch: int, ones: int) -> dict[str, Way]:
    model, decode = reporter.model, reporter.decode.model_copy(update=PLAIN)

    def looks(size: int, most: int | None = None) -> list[Look]:
        chosen = studies[:most]
        return [reporter.look(chosen[i : i + size]) for i in range(0, len(chosen), size)]

    some, single = looks(batch), looks(1, ones)

    def ours(seen: list[Look], **changes: Any) -> Way:
        settings = decode.model_copy(update=changes)
        return lambda: list(write_many(model, iter(seen), settings))

    def theirs(seen: list[Look], beams: int) -> Way:
        settings = decode.model_copy(update={"beams": beams})
        return lambda: [d for films, words in seen for d in decoded(model, films, settings, words)]

    ours(single[:1])()  # packing the weights is no part of a round
    return {
        "mrg": ours(some, batch=batch), "mrg-default": ours(some),
        "greedy": theirs(some, 1), "beam-3": theirs(some, 3),
        "mrg-1": ours(single, batch=1), "greedy-1": theirs(single, 1),
    }  # fmt: skip


def prompts(reporter: Reporter, studies: list[Study]) -> int:
    """Positions that these studies have the LLM read, without the constant words, which are read once."""
    films, words = reporter.look(studies)
    mask = reporter.model.llm_input(films, context=words).mask
    return int(mask.sum()) - len(studies) * len(reporter.model.frame.before)


def concluded(done: Sequence[Mapping[str, Any]], reporter: Reporter, options: argparse.Namespace) -> dict[str, Any]:
    seconds = by_system([part["seconds"] for part in done])
    found = {
        name: summary(
            rounds,
            written=sum(part["written"][name] for part in done),
            tokens=sum(part["tokens"][name] for part in done),
            seconds_a_report=sum(rounds) / sum(part["written"][name] for part in done),
            prompts=sum(part["read"] * part["written"][name] for part in done),
            texts_unlike_greedy=sum(part["differ"][name] for part in done) if name in done[0]["differ"] else None,
        )
        for name, rounds in seconds.items()
    }
    against = {"mrg": ("greedy", "beam-3"), "mrg-default": ("greedy", "beam-3"), "mrg-1": ("greedy-1",)}
    sizes = {"mrg": options.batch, "mrg-default": reporter.decode.batch, "mrg-1": 1}
    return result(
        "generation",
        unit="processor seconds",
        per=f"{done[0]['studies']} reports ({options.ones} where one is written at a time)",
        studies=sum(part["studies"] for part in done),
        batch=options.batch,
        default=reporter.decode.batch,
        systems=found,
        floors={n: floor(reporter.model, found[n], size, len(done)) for n, size in sizes.items() if n in found},
        ratios={
            f"{other} / {name}": times(seconds[other], seconds[name])
            for name, others in against.items()
            for other in others
            if name in seconds and other in seconds
        },
        notes=[] if len(done) == options.rounds else [f"{len(done)} of {options.rounds} rounds were run"],
    )


def floor(model: MRGModel, system: Mapping[str, Any], size: int, rounds: int) -> dict[str, Any]:
    """Processor seconds a round below which a system cannot write what it wrote."""
    language = model.language.model
    head = language.get_output_embeddings().weight.numel()
    body = sum(p.numel() for p in language.base_model.layers.parameters())
    rate, bandwidth = matrix_rate(), bytes_a_second()
    tokens, prompts = system["tokens"] / rounds, system["prompts"] / rounds
    read = {count: tokens / size * (body + head) * count / bandwidth for count in (2, 4)}
    products, prompted = 2 * (body + head) * tokens / rate, 2 * body * prompts / rate
    return {
        "value": max(read[2], products) + prompted,
        "of_4_bytes": max(read[4], products) + prompted,
        "reading": read[2], "products": products, "prompts": prompted,
        "why": f"{(body + head) / 1e6:.0f} M weights of 2 bytes read once a step of {size}, {bandwidth / 1e9:.1f} GB/s"
        f" ({read[2]:.1f} s), or 2 operations a weight and token at {rate / 1e9:.0f} GFLOP/s ({products:.1f} s), the"
        f" longer of the two; and 2 operations a weight and position of the prompts ({prompted:.1f} s)",
    }  # fmt: skip


def show(found: Mapping[str, Any]) -> None:
    for name, system in found["systems"].items():
        unlike = f", texts unlike greedy's: {system['texts_unlike_greedy']}" if name in GREEDY else ""
        print(f"{name:12} {system['median']:8.1f} s, {system['seconds_a_report']:.2f} a report{unlike}")
    for name, ratio in found["ratios"].items():
        print(f"{name}: {ratio:.2f}")


if __name__ == "__main__":
    main()
