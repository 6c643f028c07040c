"""Outputs and a protocol -> a `ScoreBoard`: values with intervals, baselines, breakdown, diagnostics; and scores.json.

The order: measure the system, measure everything it stands beside on the same studies, resample all of it.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mrg_llm.errors import InputError
from mrg_llm.scoring import meteor as meteor_jar
from mrg_llm.scoring.agreement import HEADLINES
from mrg_llm.scoring.anatomy import side_contradictions
from mrg_llm.scoring.baselines import Baseline, constant_baseline, nearest_baseline, random_baseline
from mrg_llm.scoring.clinical import OBSERVATIONS, labeler_quality
from mrg_llm.scoring.diagnostics import Diagnosis, diagnose, warnings
from mrg_llm.scoring.measures import Labels, LanguageMeasure, Measure, all_tallies, anatomy_measure
from mrg_llm.scoring.outputs import Outputs, write_whole
from mrg_llm.scoring.protocol import Cut, protocol
from mrg_llm.scoring.statistics import DRAWS, SEED, Difference, Interval, Tally, compare, intervals
from mrg_llm.studies.study import StudySet

PER_STUDY = ("bleu4", "meteor", "rouge_l", "cider", "clinical_example_f1", "anatomy_f1")
"""The values that mean something for one study alone."""

LABELS = {
    "bleu1": "BLEU-1",
    "bleu2": "BLEU-2",
    "bleu3": "BLEU-3",
    "bleu4": "BLEU-4",
    "meteor": "METEOR",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
    "clinical_f1": "clinical F1, macro, 14",
    "clinical_micro_f1": "clinical F1, micro, 14",
    "clinical_f1_5": "clinical F1, macro, 5",
    "clinical_micro_f1_5": "clinical F1, micro, 5",
    "clinical_example_f1": "clinical F1, by report, 14",
    "anatomy_f1": "anatomy F1",
}
"""What a metric is called where people read."""

Tallies = Mapping[str, list[Tally]]
Sections = dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Training:
    """What baselines and protocols take from the data set: the reports of the training split by id, and those of the
    validation split."""

    reports: Mapping[str, str]
    validation: Sequence[str] = ()

    @classmethod
    def of(cls, studies: StudySet) -> Training:
        """From a data set. Studies without a report are left out."""
        train = {s.id: s.report for s in studies.split("train") if s.report}
        return cls(train, tuple(s.report for s in studies.split("val") if s.report))


@dataclass(frozen=True)
class Rival:
    """Another system on the same studies. sections: its values. ours_minus_theirs: section -> paired differences."""

    what: str
    sections: Sections
    ours_minus_theirs: dict[str, dict[str, Difference]]


@dataclass(frozen=True)
class StudyScore:
    """One study for the page: its texts, its values, and both label rows (codes of agreement.py)."""

    id: str
    prediction: str
    reference: str
    values: dict[str, float]
    predicted_labels: tuple[int, ...]
    reference_labels: tuple[int, ...]


@dataclass(frozen=True)
class ScoreBoard:
    """Everything `mrg score` says about one file of outputs. `to_json` is the file format; `studies` stay out of it."""

    name: str
    protocol: str
    protocol_words: str
    n: int
    sections: Sections
    baselines: dict[str, Rival]
    comparisons: dict[str, Rival]
    controls: dict[str, Rival]
    breakdown: dict[str, dict[str, dict[str, Any]]]
    diagnostics: dict[str, Diagnosis]
    warnings: tuple[str, ...]
    skipped: dict[str, str]
    labeler: dict[str, Any] | None
    versions: dict[str, str]
    draws: int
    seed: int
    studies: tuple[StudyScore, ...] = field(repr=False, default=())

    @property
    def metrics(self) -> dict[str, Interval]:
        """The main table: language metrics and the clinical headlines."""
        return self.sections["metrics"]

    def to_json(self) -> dict[str, Any]:
        """The content of scores.json; the keys beside "metrics" and "clinical" are the plugged-in sections."""
        return {
            "protocol": self.protocol,
            "protocol_words": self.protocol_words,
            "system": self.name,
            "n": self.n,
            **_plain(self.sections),
            "baselines": {name: _rival(rival) for name, rival in self.baselines.items()},
            "against": {name: _rival(rival) for name, rival in self.comparisons.items()},
            "controls": {name: _rival(rival) for name, rival in self.controls.items()},
            "breakdown": self.breakdown,
            "diagnostics": {name: asdict(d) for name, d in self.diagnostics.items()},
            "warnings": list(self.warnings),
            "labeler": self.labeler,
            "intervals": {"kind": "bootstrap over studies, 95 % percentile", "draws": self.draws, "seed": self.seed},
            "versions": self.versions,
            "skipped": self.skipped,
        }

    def save(self, path: str | Path) -> Path:
        """Write scores.json, whole or not at all. Raises ResourceError."""
        write_whole(Path(path), json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n")
        return Path(path)


def score_run(
    outputs: Outputs,
    protocol_name: str = "full",
    *,
    training: Training | None = None,
    nearest: Mapping[str, str] | Callable[[str], str] | None = None,
    against: Sequence[Outputs] = (),
    controls: Mapping[str, Outputs] | None = None,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    measures: Sequence[Measure] = (),
    labels: Labels | None = None,
    cut: Cut | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    with_meteor: bool = True,
    constant_by: str = "bleu4+cider",
) -> ScoreBoard:
    """Score a system.

    training: for the baselines, the copied share and protocols that mask rare words. nearest: study id -> training id
    of the nearest film. against: other systems, each with all of these studies. controls: outputs of the same model
    for other films, for example {"swapped": ..., "blank": ...}. groups: name -> {id -> group} for the breakdown, beside
    normal/abnormal and the number of views. measures: more sections. cut: the LLM's tokenizer for the r2gengpt
    protocols. constant_by: what chooses the constant report: a language metric, "clinical_f1" or "bleu4+cider".
    Raises InputError or DataError in one sentence.
    """
    rule = protocol(protocol_name)
    labels = labels or Labels()
    reports = tuple(training.reports.values()) if training else None
    others = [labels.measure(), anatomy_measure(), *measures]
    references, skipped = outputs.references, {}
    jar, reason = _meteor(with_meteor)
    if reason:
        skipped["meteor"] = reason
    try:
        language = LanguageMeasure(rule, reports, cut, jar)

        def measured(predictions: Sequence[str]) -> Tallies:
            return all_tallies(language, others, predictions, references)

        ours = measured(outputs.predictions)

        def rival(what: str, predictions: Sequence[str]) -> Rival:
            theirs = measured(predictions)
            differences = {name: compare(ours[name], theirs[name], draws, seed) for name in ours}
            return Rival(what, _sections(theirs, draws, seed), differences)

        beside, missing = _baselines(outputs.ids, training, nearest, language, labels, constant_by, seed)
        skipped |= missing
        baselines = {b.name: rival(b.what, [rule.clean_training(p) for p in b.predictions]) for b in beside}
        comparisons = {o.name: rival(f"the outputs in {o.name}", o.matching(outputs.ids).predictions) for o in against}
        checks = {
            name: rival(f"the same model with {name} films", o.matching(outputs.ids).predictions)
            for name, o in (controls or {}).items()
        }
    finally:
        if jar is not None:
            jar.close()
    found = diagnose(outputs, reports, side_contradictions)
    sections = _sections(ours, draws, seed)
    return ScoreBoard(
        name=outputs.name,
        protocol=rule.name,
        protocol_words=rule.words,
        n=len(outputs),
        sections=sections,
        baselines=baselines,
        comparisons=comparisons,
        controls=checks,
        breakdown=_breakdown(ours, _groups(outputs, labels, groups), draws, seed),
        diagnostics=found,
        warnings=(*warnings(found), *_beaten(baselines, checks)),
        skipped=skipped,
        labeler=labeler_quality(),
        versions=_versions(),
        draws=draws,
        seed=seed,
        studies=_studies(outputs, ours, labels),
    )


def _meteor(wanted: bool) -> tuple[meteor_jar.Meteor | None, str | None]:
    reason = meteor_jar.unavailable() if wanted else "METEOR was switched off"
    return (None, reason) if reason else (meteor_jar.Meteor(), None)


def _sections(tallies: Tallies, draws: int, seed: int) -> Sections:
    return {name: intervals(parts, draws, seed) for name, parts in tallies.items()}


def _baselines(
    ids: Sequence[str],
    training: Training | None,
    nearest: Mapping[str, str] | Callable[[str], str] | None,
    language: LanguageMeasure,
    labels: Labels,
    constant_by: str,
    seed: int,
) -> tuple[list[Baseline], dict[str, str]]:
    """The baselines that can be had, and why the others cannot."""
    if training is None:
        return [], {"baselines": "no training split was given (--data), so nothing stands beside these values"}
    reports, found, missing = tuple(training.reports.values()), [], {}
    if training.validation:
        score = _validation_score(training.validation, language, labels, constant_by)
        found.append(constant_baseline(ids, reports, score, constant_by, seed))
    else:
        missing["constant"] = "the constant report is chosen on the validation split, and it has no reports"
    found.append(random_baseline(ids, reports, seed))
    if nearest is not None:
        found.append(nearest_baseline(ids, training.reports, nearest))
    else:
        missing["nearest"] = "no list of nearest training films was given"
    return found, missing


def _validation_score(
    validation: Sequence[str], language: LanguageMeasure, labels: Labels, constant_by: str
) -> Callable[[str], float]:
    """A report -> its value when it is the answer to every validation study."""
    measure = LanguageMeasure(language.protocol, language.training_reports, language.cut)
    references = measure.ready(validation, validation).references
    clinical = labels.measure()

    def score(report: str) -> float:
        if constant_by == "clinical_f1":
            return clinical.run([report] * len(validation), validation).values()[HEADLINES["clinical_f1"]]
        values = measure.constant_values(report, references)
        if constant_by == "bleu4+cider":
            return 0.5 * values["bleu4"] + 0.5 * values["cider"]
        if constant_by not in values:
            raise InputError(
                f"the constant report cannot be chosen by '{constant_by}'; "
                f"use bleu4+cider, clinical_f1, {', '.join(values)}"
            )
        return values[constant_by]

    return score


def _groups(
    outputs: Outputs, labels: Labels, more: Mapping[str, Mapping[str, str]] | None
) -> dict[str, dict[str, list[int]]]:
    """Breakdown -> group -> rows of its studies."""
    normal = labels(outputs.references)[:, OBSERVATIONS.index("No Finding")] == 1
    names: dict[str, list[str | None]] = {"findings": ["normal" if x else "abnormal" for x in normal]}
    if any(row.views is not None for row in outputs):
        names["views"] = [None if r.views is None else f"{r.views}" for r in outputs]
    for name, group_of in (more or {}).items():
        names[name] = [group_of.get(i) for i in outputs.ids]
    result: dict[str, dict[str, list[int]]] = {}
    for name, groups in names.items():
        result[name] = {g: [i for i, x in enumerate(groups) if x == g] for g in sorted({x for x in groups if x})}
    return result


def _breakdown(
    ours: Tallies, groups: dict[str, dict[str, list[int]]], draws: int, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for name, members in groups.items():
        result[name] = {}
        for group, rows in members.items():
            part = [tally.take(np.array(rows)) for tally in ours["metrics"]]
            result[name][group] = {"n": len(rows), "metrics": _plain(intervals(part, draws, seed))}
    return result


def _beaten(baselines: Mapping[str, Rival], controls: Mapping[str, Rival]) -> tuple[str, ...]:
    """Where the system is no better than something that does not look at the film."""
    said = []
    for name, other in (*baselines.items(), *controls.items()):
        differences = other.ours_minus_theirs["metrics"]
        lost = [metric for metric, d in differences.items() if d.low <= 0]
        if lost:
            said.append(
                f"Not clearly better than {name} ({other.what}) in {', '.join(LABELS.get(m, m) for m in lost)}."
            )
    return tuple(said)


def _studies(outputs: Outputs, ours: Tallies, labels: Labels) -> tuple[StudyScore, ...]:
    values = {name: v for tally in ours["metrics"] for name, v in tally.per_study().items()}
    values = {name: v for name, v in values.items() if name in PER_STUDY}
    predicted, reference = labels(outputs.predictions), labels(outputs.references)
    return tuple(
        StudyScore(
            row.id,
            row.prediction,
            row.reference or "",
            {name: float(v[i]) for name, v in values.items()},
            tuple(int(x) for x in predicted[i]),
            tuple(int(x) for x in reference[i]),
        )
        for i, row in enumerate(outputs)
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for name in ("mrg-llm", "pycocoevalcap"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["platform"] = sys.platform
    return found


def _rival(rival: Rival) -> dict[str, Any]:
    return {"what": rival.what, **_plain(rival.sections), "ours_minus_theirs": _plain(rival.ours_minus_theirs)}


def _plain(value: Any) -> Any:
    """Dataclasses in nested dicts -> dicts."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return asdict(value)
