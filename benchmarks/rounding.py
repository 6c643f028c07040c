"""int8 weights of the LLM while it writes (decode.weights = int8): how much quicker, and what it costs.

    python benchmarks/rounding.py --run RUN --data KIND:ROOT [--split val] [--studies 48] [--rounds 5] [--sizes 1 8 48]
                                  [--ones 3] [--threads 1] [--out FILE]

Full weights and int8 take turns, at several numbers of studies at once (one at a time for the first `--ones` alone).
Scores are of the texts written with the last number, against the reports.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import alternated, options_of, result, summary, times, write

from mrg_llm import runs
from mrg_llm.model.decoding import Draft, write_many
from mrg_llm.model.processing import Reporter
from mrg_llm.scoring.quick import quick_scores
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import Study

FORMS = ("full", "int8")
SHOWN = ("bleu4", "cider", "clinical_f1")


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--studies", type=int, default=48)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 8, 48])
    parser.add_argument("--ones", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="transformers")
    studies = list(open_studies(options.data).split(options.split))[: options.studies]
    sections: dict[str, Any] = {}
    texts: dict[str, list[str]] = {}
    with torch.inference_mode():
        reporter = runs.load(options.run, device="cpu")
        for form in FORMS:  # packing is no part of a round
            writing(reporter, studies[:2], 2, form, texts)()
        for size in options.sizes:
            part = studies[: options.ones] if size == 1 else studies
            ways = {form: writing(reporter, part, size, form, texts) for form in FORMS}
            seconds = alternated(ways, options.rounds, warm=False)
            sections[f"{size} at once"] = {
                "per": f"{len(part)} reports",
                "systems": {form: summary([s / len(part) for s in rounds]) for form, rounds in seconds.items()},
                "ratios": {"int8 / full": times(seconds["int8"], seconds["full"])},
            }
        for form, worth in scores(texts, part).items():
            sections[f"{size} at once"]["systems"][form] |= worth
    found = result("rounding", unit="processor seconds a report", sections=sections)
    write(options.out, found)
    for name, section in sections.items():
        print(name, section["ratios"], section["systems"])


def writing(
    reporter: Reporter, studies: list[Study], size: int, form: str, texts: dict[str, list[str]]
) -> Callable[[], None]:
    looks = [reporter.look(studies[i : i + size]) for i in range(0, len(studies), size)]
    changes = {"beams": 1, "samples": 0, "batch": size, "weights": form}
    decode = reporter.decode.model_copy(update=changes)

    def task() -> None:
        drafts: list[Draft] = list(write_many(reporter.model, iter(looks), decode))
        texts[form] = [draft.text for draft in drafts]

    return task


def scores(texts: dict[str, list[str]], studies: list[Study]) -> dict[str, dict[str, float]]:
    truth = [study.report for study in studies]
    equal = sum(a == b for a, b in zip(texts["full"], texts["int8"], strict=True))
    found = {}
    for form in FORMS:
        values = quick_scores(texts[form], truth)
        found[form] = {name: values[name] for name in SHOWN}
    found["int8"]["texts_as_with_full_weights"] = equal
    return found


if __name__ == "__main__":
    main()
