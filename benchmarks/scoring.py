"""How long scoring takes, side by side with pycocoevalcap on the same synthetic reports.

    python benchmarks/scoring.py [--studies 3858] [--rounds 5] [--out scoring.json] [--no-meteor]

The two take turns, so a busy machine slows both. Values must be equal to 1e-9, or the benchmark stops. Seconds are the
processor's, of Java too. METEOR's start is timed apart from its scoring.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from common import alternated, options_of, result, summary, times, write
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
Rounds = dict[str, list[float]]  # system -> seconds


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


def race(first: Callable[[Pairs], dict], second: Callable[[Pairs], dict], pairs: Pairs, rounds: int) -> Rounds:
    """Seconds of ours and of theirs. Raises where their values differ."""
    values: dict[str, dict[str, float]] = {}
    ways = {
        "mrg": lambda: values.update(mrg=first(pairs)),
        "pycocoevalcap": lambda: values.update(theirs=second(pairs)),
    }
    seconds = alternated(ways, rounds)
    for name, value in values["theirs"].items():
        assert abs(values["mrg"][name] - value) < 1e-9, (name, values["mrg"][name], value)
    return seconds


def alone(task: Callable[[], object], rounds: int) -> Rounds:
    return alternated({"mrg": task}, rounds)


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--studies", type=int, default=3858)
    parser.add_argument("--no-meteor", action="store_true")
    options = parser.parse_args()
    pairs, n = synthetic_pairs(options.studies), options.rounds
    tallies = language_tallies(*pairs)
    rows = {
        "BLEU-1..4, ROUGE-L, CIDEr": race(ours, theirs, pairs, n),
        "1,000 bootstrap draws of them": alone(lambda: intervals(tallies), n),
        "paired test against another system": alone(lambda: compare(tallies, tallies), n),
        "14 labels, all conventions, 1,000 draws": alone(lambda: intervals([Labels().measure().run(*pairs)]), n),
        "anatomy, 1,000 draws": alone(lambda: intervals([anatomy_measure().run(*pairs)]), n),
    }
    reason = "switched off" if options.no_meteor else unavailable()
    if reason is None:
        rows["METEOR with Java's start"] = race(our_meteor, their_meteor, pairs, n)
        with Meteor() as jar:
            rows["METEOR, process already warm"] = alone(lambda: jar.tally(*pairs), n)
    sections = {name: section(seconds) for name, seconds in rows.items()}
    found = result(
        "scoring", unit="processor seconds", per=f"{options.studies} pairs of reports", sections=sections,
        notes=[f"METEOR was left out: {reason}"] if reason else [],
    )  # fmt: skip
    write(options.out, found)
    for name, part in sections.items():
        print(f"{name:40}", *(f"{k} {v['median']:.2f} s" for k, v in part["systems"].items()), part["ratios"])


def section(seconds: Rounds) -> dict[str, Any]:
    ratios = {f"{other} / mrg": times(rounds, seconds["mrg"]) for other, rounds in seconds.items() if other != "mrg"}
    return {"systems": {name: summary(rounds) for name, rounds in seconds.items()}, "ratios": ratios}


if __name__ == "__main__":
    main()
