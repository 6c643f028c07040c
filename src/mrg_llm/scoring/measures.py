"""What is measured of a system's reports: language under a protocol, clinical agreement, and whatever is plugged in.

A `Measure` is a name and a function (predictions, references) -> Tally on uncleaned text; anything that can be written
so gets intervals, paired tests, breakdown and baselines without further code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mrg_llm.scoring.agreement import HEADLINES, agreement, codes
from mrg_llm.scoring.anatomy import anatomy_counts
from mrg_llm.scoring.clinical import label_reports
from mrg_llm.scoring.meteor import Meteor
from mrg_llm.scoring.nlg import language_tallies
from mrg_llm.scoring.protocol import Cut, Prepared, Protocol
from mrg_llm.scoring.statistics import Tally, ratio


@dataclass(frozen=True)
class Measure:
    """section: where its values go, such as "clinical". headlines: name in the main table -> name in the section."""

    section: str
    run: Callable[[Sequence[str], Sequence[str]], Tally]
    headlines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LanguageMeasure:
    """BLEU, ROUGE-L, CIDEr and, where a Java process is given, METEOR, under one protocol."""

    protocol: Protocol
    training_reports: Sequence[str] | None = None
    cut: Cut | None = None
    meteor: Meteor | None = None

    def tallies(self, predictions: Sequence[str], references: Sequence[str]) -> list[Tally]:
        ready = self.ready(predictions, references)
        tallies = language_tallies(ready.predictions, ready.references)
        if self.meteor is not None:
            tallies.append(self.meteor.tally(ready.predictions, ready.references))
        return tallies

    def ready(self, predictions: Sequence[str], references: Sequence[str]) -> Prepared:
        return self.protocol.prepare(predictions, references, self.training_reports, self.cut)

    def constant_values(self, report: str, prepared_references: Sequence[str]) -> dict[str, float]:
        """BLEU, ROUGE-L and CIDEr of one report given to every study."""
        answer = self.protocol.clean_prediction(self.protocol.clean_training(report))
        tallies = language_tallies([answer] * len(prepared_references), prepared_references)
        return {name: value for tally in tallies for name, value in tally.values().items()}


class Labels:
    """A labeler that reads each distinct text once: normal reports are written thousands of times."""

    def __init__(self, labeler: Callable[[Sequence[str]], np.ndarray] = label_reports) -> None:
        self._labeler = labeler
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Codes of agreement.py, int8 (N, 14)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, codes(self._labeler(new)), strict=True))
        return np.stack([self._known[text] for text in texts])

    def measure(self) -> Measure:
        def run(predictions: Sequence[str], references: Sequence[str]) -> Tally:
            return agreement(self(predictions), self(references))

        return Measure("clinical", run, HEADLINES)


def all_tallies(
    language: LanguageMeasure, others: Sequence[Measure], predictions: Sequence[str], references: Sequence[str]
) -> Mapping[str, list[Tally]]:
    """Section -> tallies; "metrics" holds the language metrics, then everybody's headlines."""
    sections: dict[str, list[Tally]] = {"metrics": language.tallies(predictions, references)}
    for measure in others:
        tally = measure.run(predictions, references)
        sections.setdefault(measure.section, []).append(tally)
        if measure.headlines:
            sections["metrics"].append(tally.only(measure.headlines))
    return sections


def anatomy_measure() -> Measure:
    """Section "anatomy": precision, recall and F1 over (site, side, observation, polarity), summed over studies, and
    the share of shared sites on which prediction and reference disagree. 0 where there is nothing to count."""
    return Measure("anatomy", _anatomy, {"anatomy_f1": "f1"})


def _anatomy(predictions: Sequence[str], references: Sequence[str]) -> Tally:
    counts = anatomy_counts(predictions, references)
    columns = (counts.tp, counts.fp, counts.fn, counts.shared_sites, counts.conflicts)
    return Tally(np.stack(columns, axis=1).astype(np.float64), _anatomy_formula)


def _anatomy_formula(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
    tp, fp, fn, shared, conflicts = sums_DS.T
    return {
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "conflict_share": ratio(conflicts, shared),
    }
