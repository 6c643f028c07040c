"""Outputs and a protocol -> a `ScoreBoard`.

The order: measure the system, measure everything it stands beside on the same studies, resample all of it.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from mrg_llm.errors import InputError, MRGError
from mrg_llm.scoring import meteor as meteor_jar
from mrg_llm.scoring.agreement import HEADLINES
from mrg_llm.scoring.anatomy import side_contradictions
from mrg_llm.scoring.baselines import (
    CONSTANT,
    NEAREST,
    RANDOM,
    Baseline,
    constant_baseline,
    nearest_baseline,
    random_baseline,
)
from mrg_llm.scoring.clinical import OBSERVATIONS, labeler_quality
from mrg_llm.scoring.diagnostics import diagnose, warnings
from mrg_llm.scoring.measures import Labels, LanguageMeasure, Measure, all_tallies, anatomy_measure
from mrg_llm.scoring.outputs import Outputs
from mrg_llm.scoring.protocol import Cut, plain_tokens, protocol
from mrg_llm.scoring.scoreboard import LABELS, Rival, ScoreBoard, Sections, StudyScore, plain
from mrg_llm.scoring.statistics import DRAWS, SEED, Tally, compare, intervals
from mrg_llm.studies.study import StudySet

PER_STUDY = ("bleu4", "meteor", "rouge_l", "cider", "clinical_example_f1", "anatomy_f1")
"""The values that mean something for one study alone."""

Tallies = Mapping[str, list[Tally]]


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
    progress: Callable[[str], None] = lambda step: None,
) -> ScoreBoard:
    """Score a system.

    training: for the baselines, the copied share and protocols that mask rare words. nearest: study id -> training id
    of the nearest film. against: other systems, each with all of these studies. controls: outputs of the same model
    for other films, for example {"swapped": ..., "blank": ...}. groups: name -> {id -> group} for the breakdown, beside
    normal/abnormal and the number of views. measures: more sections. cut: the LLM's tokenizer for the r2gengpt
    protocols. constant_by: what chooses the constant report: a language metric, "clinical_f1" or "bleu4+cider".
    progress: is told what is being done. Raises InputError or DataError in one sentence.
    """
    rule = protocol(protocol_name)
    labels = labels or Labels()
    reports = tuple(training.reports.values()) if training else None
    others = [labels.measure(), anatomy_measure(), *measures]
    references, skipped = outputs.references, {}
    aligned = [o.matching(outputs.ids) for o in against]
    other_films = {name: o.matching(outputs.ids) for name, o in (controls or {}).items()}
    names = [CONSTANT, RANDOM, NEAREST, *(o.name for o in aligned), *other_films]
    if len(set(names)) < len(names):
        raise InputError(f"two of the systems to compare have one name ({', '.join(names)}); rename a file")
    jar, reason = started_meteor(with_meteor)
    if reason:
        skipped["meteor"] = reason
    try:
        language = LanguageMeasure(rule, reports, cut, jar)

        def measured(predictions: Sequence[str]) -> Tallies:
            return all_tallies(language, others, predictions, references)

        progress(f"scoring {outputs.name}")
        ours = measured(outputs.predictions)

        def rival(name: str, what: str, predictions: Sequence[str]) -> Rival:
            progress(f"scoring {name}")
            theirs = measured(predictions)
            differences = {name: compare(ours[name], theirs[name], draws, seed) for name in ours}
            return Rival(what, _sections(theirs, draws, seed), differences)

        progress("choosing the constant report")
        beside, missing = baselines_of(outputs.ids, training, nearest, language, labels, constant_by, seed)
        skipped |= missing
        baselines = {b.name: rival(b.name, b.what, [rule.clean_training(p) for p in b.predictions]) for b in beside}
        comparisons = {o.name: rival(o.name, f"the outputs in {o.name}", o.predictions) for o in aligned}
        checks = {
            name: rival(name, f"the same model with {name} films", o.predictions) for name, o in other_films.items()
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
        versions=_versions() | ({} if reason else {"meteor": "1.5"}),
        draws=draws,
        seed=seed,
        studies=_studies(outputs, ours, labels),
    )


def started_meteor(wanted: bool) -> tuple[meteor_jar.Meteor | None, str | None]:
    """A running METEOR, or why there is none. A Java that cannot run the jar costs METEOR, not the other values."""
    reason = meteor_jar.unavailable() if wanted else "METEOR was switched off"
    if reason:
        return None, reason
    jar = meteor_jar.Meteor()
    try:
        jar.tally(["a"], ["a"])
    except MRGError as error:
        return None, str(error)
    return jar, None


def _sections(tallies: Tallies, draws: int, seed: int) -> Sections:
    return {name: intervals(parts, draws, seed) for name, parts in tallies.items()}


def baselines_of(
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
        missing[CONSTANT] = "the constant report is chosen on the validation split, and it has no reports"
    found.append(random_baseline(ids, reports, seed))
    if nearest is not None:
        found.append(nearest_baseline(ids, training.reports, nearest))
    else:
        missing[NEAREST] = "no list of nearest training films was given"
    return found, missing


def _validation_score(
    validation: Sequence[str], language: LanguageMeasure, labels: Labels, constant_by: str
) -> Callable[[str], float]:
    """A report -> its value when it is the answer to every validation study."""
    measure = LanguageMeasure(language.protocol, language.training_reports, language.cut)
    tokenized = [language.protocol.clean_training(text) for text in validation]
    references = measure.ready(tokenized, tokenized).references
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
    """Breakdown -> group -> rows of its studies. A study is in the group of every observation its reference has."""
    found = labels(outputs.references)
    normal = found[:, OBSERVATIONS.index("No Finding")] == 1
    names: dict[str, list[str | None]] = {"findings": ["normal" if x else "abnormal" for x in normal]}
    if any(row.views is not None for row in outputs):
        names["views"] = [None if r.views is None else f"{r.views}" for r in outputs]
    names["length of the reference"] = _thirds([len(plain_tokens(text).split()) for text in outputs.references])
    for name, group_of in (more or {}).items():
        names[name] = [group_of.get(i) for i in outputs.ids]
    result: dict[str, dict[str, list[int]]] = {}
    for name, groups in names.items():
        result[name] = {g: [i for i, x in enumerate(groups) if x == g] for g in sorted({x for x in groups if x})}
    observed = {name: np.flatnonzero(found[:, column] == 1).tolist() for column, name in enumerate(OBSERVATIONS)}
    result["observation"] = {name: rows for name, rows in observed.items() if rows}
    return result


def _thirds(lengths: Sequence[int]) -> list[str | None]:
    """Short, middle or long, by thirds of the studies; nothing where all are alike."""
    low, high = np.quantile(lengths, [1 / 3, 2 / 3])
    if low == high:
        return [None] * len(lengths)
    names = (f"1: up to {low:.0f} words", f"2: up to {high:.0f}", "3: longer")
    return [names[int(n > low) + int(n > high)] for n in lengths]


def _breakdown(
    ours: Tallies, groups: dict[str, dict[str, list[int]]], draws: int, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for name, members in groups.items():
        result[name] = {}
        for group, rows in members.items():
            part = [tally.take(np.array(rows)) for tally in ours["metrics"]]
            result[name][group] = {"n": len(rows), "metrics": plain(intervals(part, draws, seed))}
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
