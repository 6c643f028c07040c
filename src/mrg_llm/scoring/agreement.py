"""Two label matrices -> precision, recall and F1 in every convention the field uses, as one tally.

Published "clinical efficacy" numbers differ by how "uncertain" counts, by how observations are averaged and by which
observations are averaged, and tables mix them; so all of them are computed and named:
`<uncertain>/<observations>/<average>/<measure>`, for example "absent/14/micro/f1", and
`<uncertain>/observation/<name>/<measure>`.

Legend: N studies, C = 14 observations in the order of clinical.OBSERVATIONS, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mrg_llm.errors import InputError
from mrg_llm.scoring.clinical import OBSERVATIONS
from mrg_llm.scoring.statistics import Tally, ratio

PRESENT, ABSENT, UNCERTAIN, NOT_MENTIONED = 1, 0, -1, 2
FIVE = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
UNCERTAIN_AS = {
    "absent": "uncertain counts as absent (R2Gen's compute_ce and PromptMRG: the same matrices)",
    "present": "uncertain counts as present (RadEval's F1CheXbert for radiology reports)",
    "ignored": "an observation that either side calls uncertain is left out for that study (CheXpert's U-Ignore)",
}
SETS = {"14": OBSERVATIONS, "13": OBSERVATIONS[1:], "5": FIVE}
"""13: what a film shows. No Finding, true of most, weighs more than they together in a micro average of all 14."""
AVERAGES = ("micro", "macro", "example")
MEASURES = ("precision", "recall", "f1")
HEADLINES = {
    "clinical_f1": "absent/14/macro/f1",
    "clinical_micro_f1": "absent/14/micro/f1",
    "clinical_micro_f1_13": "absent/13/micro/f1",
    "clinical_f1_5": "absent/5/macro/f1",
    "clinical_micro_f1_5": "absent/5/micro/f1",
    "clinical_example_f1": "absent/14/example/f1",
}
"""The clinical values that stand beside the language metrics."""


def codes(labels_NC: np.ndarray) -> np.ndarray:
    """Labels with NaN for "not mentioned", as clinical.label_reports gives them -> int8 (N, 14): 1, 0, -1 or 2."""
    return np.where(np.isnan(labels_NC), NOT_MENTIONED, np.nan_to_num(labels_NC)).astype(np.int8)


def agreement(predicted_NC: np.ndarray, reference_NC: np.ndarray) -> Tally:
    """Codes of predictions and references -> every value named above.

    "Not mentioned" counts as absent, as in all published numbers. Where there is nothing to divide by, a value is 0
    (an observation that nobody has therefore lowers the macro average; this is what the published numbers do).
    Example-based: precision, recall and F1 of each report over the set, then their mean over reports.
    Raises InputError on a shape other than (N, 14) or a value that is no code.
    """
    _check(predicted_NC, reference_NC)
    columns: list[np.ndarray] = []
    for convention in UNCERTAIN_AS:
        counts_N3C = _counts(predicted_NC, reference_NC, convention)
        columns.append(counts_N3C.reshape(len(counts_N3C), -1))
        for observations in SETS.values():
            chosen_N3 = counts_N3C[:, :, _columns(observations)].sum(axis=2)
            columns.append(np.stack(_measures(chosen_N3), axis=1))
    stats_NS = np.concatenate([*columns, np.ones((len(predicted_NC), 1))], axis=1)
    return Tally(stats_NS, _formula)


def _counts(predicted_NC: np.ndarray, reference_NC: np.ndarray, convention: str) -> np.ndarray:
    """True positives, false positives, false negatives, (N, 3, C)."""
    positive = (PRESENT, UNCERTAIN) if convention == "present" else (PRESENT,)
    ours, theirs = np.isin(predicted_NC, positive), np.isin(reference_NC, positive)
    counted = np.ones_like(ours)
    if convention == "ignored":
        counted = (predicted_NC != UNCERTAIN) & (reference_NC != UNCERTAIN)
    parts = (ours & theirs, ours & ~theirs, ~ours & theirs)
    return np.stack([part & counted for part in parts], axis=1).astype(np.float64)


def _measures(counts_D3: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(tp, fp, fn) in the last axis but nothing else -> precision, recall, F1."""
    tp, fp, fn = np.moveaxis(counts_D3, 1, 0)
    return ratio(tp, tp + fp), ratio(tp, tp + fn), ratio(2 * tp, 2 * tp + fp + fn)


def _formula(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
    values: dict[str, np.ndarray] = {}
    n_D, at, width = sums_DS[:, -1], 0, 3 * len(OBSERVATIONS)
    for convention in UNCERTAIN_AS:
        counts_D3C = sums_DS[:, at : at + width].reshape(-1, 3, len(OBSERVATIONS))
        at += width
        by_observation_DC = _measures(counts_D3C)
        for measure, value_DC in zip(MEASURES, by_observation_DC, strict=True):
            for c, name in enumerate(OBSERVATIONS):
                values[f"{convention}/observation/{name}/{measure}"] = value_DC[:, c]
        for size, observations in SETS.items():
            chosen = _columns(observations)
            micro = _measures(counts_D3C[:, :, chosen].sum(axis=2))
            for i, measure in enumerate(MEASURES):
                values[f"{convention}/{size}/micro/{measure}"] = micro[i]
                values[f"{convention}/{size}/macro/{measure}"] = by_observation_DC[i][:, chosen].mean(axis=1)
                values[f"{convention}/{size}/example/{measure}"] = ratio(sums_DS[:, at + i], n_D)
            at += len(MEASURES)
    return values


def _columns(observations: Sequence[str]) -> list[int]:
    return [OBSERVATIONS.index(name) for name in observations]


def _check(predicted_NC: np.ndarray, reference_NC: np.ndarray) -> None:
    if predicted_NC.shape != reference_NC.shape or predicted_NC.shape[1:] != (len(OBSERVATIONS),):
        raise InputError(
            f"two label matrices (N, {len(OBSERVATIONS)}) are needed; given {predicted_NC.shape}, {reference_NC.shape}"
        )
    for matrix in (predicted_NC, reference_NC):
        if not np.isin(matrix, (PRESENT, ABSENT, UNCERTAIN, NOT_MENTIONED)).all():
            raise InputError("labels are 1 present, 0 absent, -1 uncertain and 2 not mentioned; another was given")
