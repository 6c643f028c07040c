"""Is a confidence honest? Expected calibration error, its bins, and how well it tells right from wrong.

In: confidences in 0..1, and whether each was right. Out: numbers, and a reliability plot as SVG.
ECE: Naeini 2015, Guo 2017 (arXiv 1706.04599); bins of equal width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10
SIDE, PAD = 320, 44  # of the plot, in its own units


@dataclass(frozen=True)
class Reliability:
    """counts, confidence and right (BINS,): how many sentences a bin of equal width has, their mean confidence and the
    share that is right (NaN in an empty bin). ece: mean of |confidence - right| over the bins, weighed by their counts.
    auroc: chance that a right one has a higher confidence than a wrong one, NaN where all are the same. brier: mean
    squared error."""

    counts: np.ndarray
    confidence: np.ndarray
    right: np.ndarray
    ece: float
    auroc: float
    brier: float


def reliability(confidence_N: np.ndarray, right_N: np.ndarray) -> Reliability:
    """Raises ValueError for different lengths, or none."""
    confidence, right = np.asarray(confidence_N, float), np.asarray(right_N, float)
    if confidence.shape != right.shape or confidence.size == 0:
        raise ValueError(f"{confidence.size} confidences cannot be compared with {right.size} outcomes")
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        said, true = (np.bincount(bins, weights=values, minlength=BINS) / counts for values in (confidence, right))
    filled = counts > 0
    gaps = np.abs(said - true)[filled]
    ece = float((gaps * counts[filled]).sum() / counts.sum())
    return Reliability(
        counts, said, true, ece, auroc(confidence, right > 0.5), float(((confidence - right) ** 2).mean())
    )


def auroc(scores_N: np.ndarray, right_N: np.ndarray) -> float:
    """Ties count half."""
    right, wrong = np.sort(scores_N[right_N]), np.sort(scores_N[~right_N])
    if not len(right) or not len(wrong):
        return float("nan")
    below = np.searchsorted(wrong, right, "left") + np.searchsorted(wrong, right, "right")
    return float(below.sum() / (2 * len(right) * len(wrong)))


def plot(found: Reliability) -> str:
    """A reliability diagram as SVG: a dot a bin, its area the number of sentences; on the diagonal is honest."""

    def x(value: float) -> float:
        return PAD + value * (SIDE - PAD - 12)

    def y(value: float) -> float:
        return SIDE - PAD - value * (SIDE - PAD - 12)

    grid = "".join(
        f'<line x1="{x(0)}" x2="{x(1)}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#8884"/>'
        f'<text x="{x(0) - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:g}</text>'
        f'<text x="{x(v):.1f}" y="{y(0) + 16}" text-anchor="middle">{v:g}</text>'
        for v in (0, 0.25, 0.5, 0.75, 1)
    )
    most = max(int(found.counts.max()), 1)
    dots = "".join(
        f'<circle cx="{x(c):.1f}" cy="{y(r):.1f}" r="{2 + 11 * (n / most) ** 0.5:.1f}" fill="#2f7fb8">'
        f"<title>{n} sentences: confidence {c:.2f}, right {r:.2f}</title></circle>"
        for n, c, r in zip(found.counts, found.confidence, found.right, strict=True)
        if n
    )
    title = f"ECE {found.ece:.3f}, AUROC {found.auroc:.3f}, {found.counts.sum()} sentences of held-out studies"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE + 20}" width="{2 * SIDE}" role="img"
 font-family="system-ui, sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>
<title>{title}</title>{grid}<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="#888" stroke-dasharray="4 4"/>
{dots}<text x="{x(0.5)}" y="{SIDE - 8}" text-anchor="middle">confidence of a sentence</text>
<text transform="translate(11 {y(0.5)}) rotate(-90)" text-anchor="middle">share that is right</text>
<text x="{SIDE / 2}" y="{SIDE + 10}" text-anchor="middle">{title}</text></svg>
"""
