"""Validation reports -> a handful of values without intervals, in well under a second: what training watches."""

from __future__ import annotations

from collections.abc import Sequence

from mrg_llm.scoring.agreement import HEADLINES, agreement, codes
from mrg_llm.scoring.clinical import label_reports
from mrg_llm.scoring.nlg import language_tallies
from mrg_llm.scoring.protocol import protocol


def quick_scores(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """BLEU-1..4, ROUGE-L, CIDEr (protocol `full`) and the clinical headlines; METEOR is left to `mrg score`."""
    ready = protocol("full").prepare(predictions, references)
    values: dict[str, float] = {}
    for tally in language_tallies(ready.predictions, ready.references):
        values |= tally.values()
    clinical = agreement(codes(label_reports(predictions)), codes(label_reports(references))).values()
    return values | {short: clinical[long] for short, long in HEADLINES.items()}
