"""How long scoring takes, side by side with pycocoevalcap on the same synthetic reports.

    python benchmarks/scoring.py [--studies 3858] [--rounds 5] [--out scoring.json] [--no-meteor]

The two take turns, so a busy machine slows both. Values must be equal to 1e-9, or the benchmark stops. Time is wall
clock; the median of the rounds is printed with the range. METEOR's start is timed apart from its scoring.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from mrg_llm.scoring.measures import Labels, anatomy_measure
from mrg_llm.scoring.meteor import Meteor, unavailable
from mrg_llm.scoring.nlg import language_tallies
from mrg_llm.scoring.statistics import Tally, compare, intervals

SITES = ["left", "right", "upper", "lower", "lobe", "base", "apex", "pleural", "hilar", "cardiac"]
FINDINGS = ["effusion", "opacity", "nodule", "edema", "atelectasis", "pneumothorax", "consolidation", "fracture"]
WORDS = ["the", "is", "there", "no", "of", "in", "and", "a", "seen", "normal", "clear", "evidence", "size", "stable"]
Pairs = tuple[list[str], list[str]]


def synthetic_pairs(n: int, seed: int = 0) -> Pairs:
    """Predictions of about 43 tokens that share two thirds of their sentences with references of about 51."""
    rng = random.Random(seed)
    rare = [f"word{i}" for i in range(1500)]

    def sentence() -> str:
        pools = (WORDS, WORDS, WORDS, SITES, FINDINGS, rare)
        return " ".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(4, 11))) + " ."

    common = [sentence() for _ in range(400)]
    predictions, references = [], []
    for _ in range(n):
        reference = [rng.choice(common) if rng.random() < 0.8 else sentence() for _ in range(6)]
        kept = [s if rng.random() < 0.66 else rng.choice(common) for s in reference[:5]]
        references.append(" ".join(reference))
        predictions.append(" ".join(kept))
    return predictions, references


def ours(pairs: Pairs) -> dict[str, float]:
    return values(language_tallies(*pairs))


def theirs(pairs: Pairs) -> dict[str, float]:
    said, truth = ({i: [text] for i, text in enumerate(texts)} for texts in pairs)
    bleu = Bleu(4).compute_score(truth, said, verbose=0)[0]
    found = {f"bleu{k + 1}": float(b) for k, b in enumerate(bleu)}
    return found | {"rouge_l": Rouge().compute_score(truth, said)[0], "cider": Cider().compute_score(truth, said)[0]}


def their_meteor(pairs: Pairs) -> dict[str, float]:
    from pycocoevalcap.meteor.meteor import Meteor as Theirs

    said, truth = ({i: [text] for i, text in enumerate(texts)} for texts in pairs)
    return {"meteor": Theirs().compute_score(truth, said)[0]}


def our_meteor(pairs: Pairs) -> dict[str, float]:
    with Meteor() as jar:
        return jar.tally(*pairs).values()


def values(tallies: Sequence[Tally]) -> dict[str, float]:
    return {name: value for tally in tallies for name, value in tally.values().items()}


def race(
    first: Callable[[Pairs], dict], second: Callable[[Pairs], dict], pairs: Pairs, rounds: int
) -> list[list[float]]:
    """Seconds of each, alternating who begins."""
    seconds: list[list[float]] = [[], []]
    for r in range(rounds):
        results = [{}, {}]
        for which in (0, 1) if r % 2 == 0 else (1, 0):
            start = time.perf_counter()
            results[which] = (first, second)[which](pairs)
            seconds[which].append(time.perf_counter() - start)
        for name, value in results[1].items():
            assert abs(results[0][name] - value) < 1e-9, (name, results[0][name], value)
    return seconds


def timed(task: Callable[[], object], rounds: int) -> list[float]:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=3858)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--no-meteor", action="store_true")
    options = parser.parse_args()
    pairs, n = synthetic_pairs(options.studies), options.rounds
    rows: dict[str, dict[str, list[float]]] = {}
    mine, other = race(ours, theirs, pairs, n)
    rows["BLEU-1..4, ROUGE-L, CIDEr"] = {"mrg": mine, "pycocoevalcap": other}
    tallies = language_tallies(*pairs)
    rows["1,000 bootstrap draws of them"] = {"mrg": timed(lambda: intervals(tallies), n)}
    rows["paired test against another system"] = {"mrg": timed(lambda: compare(tallies, tallies), n)}
    rows["14 labels, all conventions, 1,000 draws"] = {
        "mrg": timed(lambda: intervals([Labels().measure().run(*pairs)]), min(n, 2))
    }
    rows["anatomy, 1,000 draws"] = {"mrg": timed(lambda: intervals([anatomy_measure().run(*pairs)]), min(n, 2))}
    reason = "switched off" if options.no_meteor else unavailable()
    if reason is None:
        mine, other = race(our_meteor, their_meteor, pairs, n)
        rows["METEOR with Java's start"] = {"mrg": mine, "pycocoevalcap": other}
        with Meteor() as jar:
            jar.tally(*(side[:50] for side in pairs))
            rows["METEOR, process already warm"] = {"mrg": timed(lambda: jar.tally(*pairs), n)}
    show(rows, options.studies, reason)
    if options.out:
        facts = {"cpus": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
        options.out.write_text(json.dumps({"studies": options.studies, "machine": facts, "seconds": rows}, indent=1))


def show(rows: dict[str, dict[str, list[float]]], studies: int, no_meteor: str | None) -> None:
    print(f"{studies} pairs, seconds: median (least-most)\n")
    print(f"| {'':39} | {'mrg':>20} | {'pycocoevalcap':>20} | faster |")
    print(f"|{'-' * 41}|{'-' * 21}:|{'-' * 21}:|-------:|")
    for name, systems in rows.items():
        cells = [spread(systems[s]) if s in systems else "" for s in ("mrg", "pycocoevalcap")]
        gain = ""
        if "pycocoevalcap" in systems:
            gain = f"{statistics.median(systems['pycocoevalcap']) / statistics.median(systems['mrg']):.1f}x"
        print(f"| {name:39} | {cells[0]:>20} | {cells[1]:>20} | {gain:>6} |")
    if no_meteor:
        print(f"\nMETEOR left out: {no_meteor}")


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


if __name__ == "__main__":
    main()
