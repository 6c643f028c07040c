"""`mrg calibrate`: how sure is a sentence? Drafts of validation studies in, calibration.json in the run folder out.

A sentence is right where its studies' report agrees with all that the labeler reads in it (training/data.py's closed
world: a finding the report does not name is not there). A sentence in which it reads nothing is left out. What is
reported is measured on studies that each fit did not see; what is stored is fitted on all of them.
Legend: N sentences, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mrg_llm import runs
from mrg_llm.errors import DataError
from mrg_llm.model.confidence import AGREEMENT, LOG_PROBABILITY, Calibration, sentence_evidence
from mrg_llm.model.processing import Reporter, sound_views
from mrg_llm.scoring.reliability import Reliability, reliability
from mrg_llm.settings import ConfidenceSettings, changed_confidence
from mrg_llm.studies.study import Study
from mrg_llm.training.data import located
from mrg_llm.training.publish import keep_calibration

FOLDS = 5
FEWEST = 20  # of right and of wrong sentences; fewer say nothing of how sure one is
RIDGE = 1.0  # of the weights of standardised features
STEPS = 50


@dataclass(frozen=True)
class Judged:
    """Sentences whose truth is known: evidence (N, F), right (N,) bool, group (N,): whose each is."""

    evidence: np.ndarray
    right: np.ndarray
    group: np.ndarray


def calibrate(
    run: Path,
    studies: Sequence[Study],
    changes: Sequence[str] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Calibration, Reliability]:
    """Write the drafts of these studies, fit, and put calibration.json into the run. Returns it and what it was worth
    on held-out folds. changes: `confidence.samples=8`. Raises DataError where too few sentences are right or wrong."""
    known = [study for study in studies if study.report]
    if not known:
        raise DataError("none of these studies has a report, so no sentence can be right or wrong; check --split")
    reporter = runs.load(run)
    settings = changed_confidence(reporter.confidence, changes)
    judged = judge(reporter, known, settings, progress)
    for count, kind in ((judged.right.sum(), "right"), ((~judged.right).sum(), "wrong")):
        if count < FEWEST:
            raise DataError(
                f"only {count} sentences of {len(known)} drafts are {kind}, and it takes {FEWEST} of either to say "
                "how sure one is; give more studies"
            )
    held = reliability(cross_fitted(judged, settings), judged.right)
    calibration = replace(fit(judged, settings), ece=round(held.ece, 5), auroc=round(held.auroc, 5), studies=len(known))
    keep_calibration(run, calibration)
    return calibration, held


def judge(
    reporter: Reporter, studies: Sequence[Study], settings: ConfidenceSettings,
    progress: Callable[[int], None] = lambda done: None,
) -> Judged:  # fmt: skip
    """Drafts of these studies, their sentences' evidence, and whether they are right."""
    groups = {who: i for i, who in enumerate(dict.fromkeys(s.patient or s.id for s in studies))}
    evidence, right, group = [], [], []
    for start in range(0, len(studies), reporter.decode.batch):
        looks = [(s, sound_views(s, reporter.vision.side_px, reporter.vision.fit)[0]) for s in
                 studies[start : start + reporter.decode.batch]]  # fmt: skip
        part = [(study, films) for study, films in looks if len(films)]
        if part:
            own, films = zip(*part, strict=True)
            drafts = reporter.write(own, films)
            for study, (texts, rows) in zip(
                own, sentence_evidence(reporter, own, films, drafts, settings), strict=True
            ):
                for text, row in zip(texts, rows, strict=True):
                    truth = is_right(text, study.report or "")
                    if truth is not None:
                        evidence.append(row)
                        right.append(truth)
                        group.append(groups[study.patient or study.id])
        progress(min(start + reporter.decode.batch, len(studies)))
    width = len(LOG_PROBABILITY) + bool(settings.samples)
    return Judged(np.array(evidence, float).reshape(-1, width), np.array(right, bool), np.array(group, int))


def is_right(sentence: str, report: str) -> bool | None:
    """Whether the report bears out every finding that a sentence claims or denies; None where it does neither."""
    claims, denials, present = located(sentence, "present"), located(sentence, "absent"), located(report, "present")
    return claims <= present and not (denials & present) if claims or denials else None


def cross_fitted(judged: Judged, settings: ConfidenceSettings) -> np.ndarray:
    """(N,): each sentence's confidence, from a fit on the other folds' patients."""
    fold = np.random.default_rng(0).permutation(judged.group.max() + 1) % FOLDS
    confidence = np.empty(len(judged.right))
    for number in range(FOLDS):
        out = fold[judged.group] == number
        if out.any():
            rest = Judged(judged.evidence[~out], judged.right[~out], judged.group[~out])
            confidence[out] = fit(rest, settings).confidence(judged.evidence[out])
    return confidence


def fit(judged: Judged, settings: ConfidenceSettings) -> Calibration:
    """Logistic regression by Newton's method, with a small ridge on the weights, none on the bias."""
    means, scales = judged.evidence.mean(0), judged.evidence.std(0)
    scales[scales < 1e-9] = 1.0
    rows = np.column_stack([(judged.evidence - means) / scales, np.ones(len(judged.right))])
    ridge = RIDGE * np.diag([*np.ones(len(means)), 0.0])
    weights = np.zeros(len(means) + 1)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ weights, -50, 50)))
        gradient = rows.T @ (chance - judged.right) + ridge @ weights
        curvature = rows.T @ (rows * (chance * (1 - chance) + 1e-9)[:, None]) + ridge
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    features = (*LOG_PROBABILITY, AGREEMENT)[: len(means)]
    return Calibration(
        features, tuple(map(float, means)), tuple(map(float, scales)), tuple(map(float, weights[:-1])),
        float(weights[-1]), settings.samples if AGREEMENT in features else 0, settings.temperature, settings.seed,
        ece=float("nan"), auroc=float("nan"), right=round(float(judged.right.mean()), 5),
        sentences=len(judged.right), studies=len(np.unique(judged.group)),
    )  # fmt: skip
