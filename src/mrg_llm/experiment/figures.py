"""Written reports and nats of every (arm, seed) -> an arm's figures with intervals, and paired tests between arms.

Everything is a `Tally` over studies: an arm's figure is the mean over its seeds, its interval a bootstrap over studies,
and a test between two arms an approximate randomisation in which a study's outputs change sides in all seeds at once
(scoring/statistics.py). So chance that lies in the studies is tested, and chance that lies in the training is shown: by
the figures of each seed, and by how many of the seeds agree on the sign.

Groups: a protocol's name -> its n-gram scores; "clinical", "nats" and, where the truth is known, "findings".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mrg_llm.errors import DataError
from mrg_llm.experiment.cells import Cell
from mrg_llm.scoring import Outputs, Training, protocol, read_outputs
from mrg_llm.scoring.anatomy import side_contradictions
from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.scoring.diagnostics import diagnose
from mrg_llm.scoring.findings import findings_tally
from mrg_llm.scoring.measures import Labels, LanguageMeasure, anatomy_measure
from mrg_llm.scoring.meteor import Meteor
from mrg_llm.scoring.protocol import Cut
from mrg_llm.scoring.statistics import DRAWS, SEED, Tally, averaged, compare, intervals, ratio
from mrg_llm.studies.study import Study

Groups = dict[str, list[Tally]]


@dataclass(frozen=True)
class Judge:
    """Measures reports of the same studies. studies: those of the split, with their reports. cut: the LLM's tokenizer,
    for the r2gengpt protocols. jar: METEOR, where there is Java."""

    studies: Sequence[Study]
    training: Training
    protocols: Sequence[str]
    cut: Cut | None = None
    jar: Meteor | None = None
    draws: int = DRAWS
    labels: Labels = field(default_factory=Labels)

    def of_cell(self, cell: Cell, split: str) -> Groups:
        """Raises DataError where a file of the cell is not about these studies."""
        return self.of_reports(self.outputs(cell, split).predictions) | self.of_nats(cell, split)

    def outputs(self, cell: Cell, split: str) -> Outputs:
        references = {study.id: study.report or "" for study in self.studies}
        return read_outputs(cell.reports(split)).matching(self.ids).with_references(references)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(study.id for study in self.studies)

    @property
    def references(self) -> list[str]:
        return [study.report or "" for study in self.studies]

    @property
    def drawn(self) -> dict[str, int]:
        """How many findings of each kind and of each size are truly in these studies' films, where that is known."""
        found = [f for study in self.studies for f in study.truth or ()]
        return dict(Counter(name for f in found for name in (f.observation, f.size) if name))

    def of_reports(self, reports: Sequence[str], clean: bool = False) -> Groups:
        """clean: they stand in the training split as they are, as a baseline's do."""
        groups: Groups = {}
        for name in self.protocols:
            language, rule = self.language(name), protocol(name)
            texts = [rule.clean_training(r) for r in reports] if clean else reports
            groups[name] = language.tallies(texts, self.references)
        clinical, anatomy = self.labels.measure(), anatomy_measure()
        groups["clinical"] = [m.run(reports, self.references).only(m.headlines) for m in (clinical, anatomy)]
        if all(study.truth is not None for study in self.studies):
            drawn = {f.observation for study in self.studies for f in study.truth or ()}
            truths = [study.truth or () for study in self.studies]
            groups["findings"] = [findings_tally(reports, truths, [o for o in OBSERVATIONS if o in drawn])]
        return groups

    def language(self, name: str) -> LanguageMeasure:
        cut = self.cut if protocol(name).reference_tokens else None
        return LanguageMeasure(protocol(name), tuple(self.training.reports.values()), cut, self.jar)

    def of_nats(self, cell: Cell, split: str) -> Groups:
        if cell.arm.of:
            return {}
        found = json.loads(cell.nats(split).read_text())
        if any(i not in found for i in self.ids):
            raise DataError(f"{cell.nats(split)} lacks studies; delete it, and the same command makes it anew")
        rows = [found[i] for i in self.ids if found[i] is not None]
        return {"nats": [nats_tally(np.array(rows, dtype=np.float64))]}

    def diagnosed(self, cell: Cell, split: str) -> dict[str, float]:
        reports = tuple(self.training.reports.values())
        return {n: d.value for n, d in diagnose(self.outputs(cell, split), reports, side_contradictions).items()}


def nats_tally(rows_N4: np.ndarray) -> Tally:
    """Rows of validation.nats -> nats a token: `loss`; `image_worth`, what the next study's film costs; `prompt_worth`,
    what its prompts alone cost."""

    def formula(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
        right, elsewhere, strange, tokens = sums_DS.T
        return {
            "loss": ratio(right, tokens),
            "image_worth": ratio(elsewhere - right, tokens),
            "prompt_worth": ratio(strange - right, tokens),
        }

    return Tally(rows_N4, formula)


def over_seeds(by_seed: Mapping[int, Groups]) -> Groups:
    """The mean over seeds of every figure, as tallies."""
    first = next(iter(by_seed.values()))
    return {
        group: [averaged([found[group][i] for found in by_seed.values()]) for i in range(len(tallies))]
        for group, tallies in first.items()
    }


def figures(by_seed: Mapping[int, Groups], draws: int = DRAWS) -> dict[str, dict[str, dict[str, Any]]]:
    """group -> figure -> value (mean over seeds), low and high (95 %, over studies), by_seed."""
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for group, tallies in over_seeds(by_seed).items():
        alone = [{n: v for tally in found[group] for n, v in tally.values().items()} for found in by_seed.values()]
        result[group] = {
            name: {**asdict(interval), "by_seed": [values[name] for values in alone]}
            for name, interval in intervals(tallies, draws, SEED).items()
        }
    return result


def differences(ours: Mapping[int, Groups], theirs: Mapping[int, Groups], draws: int = DRAWS) -> dict[str, Any]:
    """Ours minus theirs over the seeds that both have; Holm's correction over the figures of a group.

    {"seeds": [...], group: {figure: difference, with `agree`: in how many seeds it has the sign of the mean}}.
    """
    seeds = [seed for seed in ours if seed in theirs]
    mine, others = ({s: side[s] for s in seeds} for side in (ours, theirs))
    result: dict[str, Any] = {"seeds": seeds}
    if not seeds:
        return result
    first, second = over_seeds(mine), over_seeds(others)
    for group in first:
        if group in second:
            result[group] = {}
            for name, difference in compare(first[group], second[group], draws, SEED).items():
                gaps = [value(mine[s][group], name) - value(others[s][group], name) for s in seeds]
                agree = sum(gap * difference.value > 0 for gap in gaps)
                result[group][name] = {**asdict(difference), "agree": agree}
    return result


def value(tallies: Sequence[Tally], name: str) -> float:
    return next(values[name] for values in (tally.values() for tally in tallies) if name in values)
