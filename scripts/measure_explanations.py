"""Do heat maps fall where the finding truly is? Phantom studies, whose findings have boxes, against a run's maps.

    python scripts/measure_explanations.py RUN --data phantom:PATH [--split val] [--text draft|reference] [--limit N]

Every sentence that truthfully claims a drawn finding gives a row for each view with a box: the share of the map's mass
that is inside, and whether its peak is. A uniform map has the box's share of the film for both. Sentences are read by
the labeler; truthful: the study's report bears out all that it claims, side and site included.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from mrg_llm import runs
from mrg_llm.calibrated import is_right
from mrg_llm.explain import Explanation, explain
from mrg_llm.model.processing import Reporter, Shown, sound_views
from mrg_llm.progress import counting_bar
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import Finding, Study
from mrg_llm.training.data import located

FINE = 32  # cells of a patch's side, on which boxes are counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True, help="phantom:PATH")
    parser.add_argument("--split", default="val")
    parser.add_argument("--text", choices=("draft", "reference"), default="draft", help="whose sentences are explained")
    parser.add_argument("--limit", type=int, help="only the first N studies that have a finding")
    parser.add_argument("--out", type=Path, help="write the numbers here, as JSON")
    arguments = parser.parse_args()
    studies = [study for study in open_studies(arguments.data).split(arguments.split) if study.truth]
    measured = measure(runs.load(arguments.run), studies[: arguments.limit], arguments.text)
    print(json.dumps(measured, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def measure(reporter: Reporter, studies: Sequence[Study], text: str) -> dict:
    """All numbers of one split. Draft sentences and reference sentences alike are explained in their own text."""
    looks = [(s, Shown((), (), sound_views(s, reporter.vision.side_px, reporter.vision.fit)[0])) for s in studies]
    texts = [study.report or "" for study in studies]
    if text == "draft":
        texts = []
        for start in range(0, len(looks), reporter.decode.batch):
            own, shown = zip(*looks[start : start + reporter.decode.batch], strict=True)
            texts += [draft.text for draft in reporter.drafts(own, shown)]
    rows, alike = [], []
    with counting_bar("explaining", len(looks), Console(stderr=True)) as advance:
        for done, ((study, shown), words) in enumerate(zip(looks, texts, strict=True), 1):
            explanation = explain(reporter, shown, words, study)
            rows += [*inside(study, explanation)]
            alike += [*likeness(explanation)]
            advance(done)
    by_finding = defaultdict(list)
    for name, *row in rows:
        by_finding[name].append(row)
    return {
        "text": text, "studies": len(studies), **summary([row for _, *row in rows]),
        "correlation_of_a_films_sentences": mean(alike),
        "by_finding": {name: summary(own) for name, own in sorted(by_finding.items())},
    }  # fmt: skip


def inside(study: Study, explanation: Explanation) -> Iterator[tuple[str, float, float, float]]:
    """(finding, share of the map's mass inside its box, share of the film inside, 1 where the peak is inside)."""
    for number, finding in claimed(study, explanation.sentences):
        for view, heat in zip(study.views, explanation.maps[number], strict=True):
            box = finding.boxes.get(view.projection or "")
            if box:
                share = covered(box, heat.shape[0])
                mass = heat / heat.sum() if heat.sum() > 0 else np.full(heat.shape, 1 / heat.size)
                peak = np.unravel_index(heat.argmax(), heat.shape)
                yield finding.name, float((mass * share).sum()), float(share.mean()), float(share[peak])


def claimed(study: Study, sentences: Sequence[str]) -> Iterator[tuple[int, Finding]]:
    """Each sentence that is borne out by the report, with every drawn finding that it claims."""
    for number, sentence in enumerate(sentences):
        if is_right(sentence, study.report or ""):
            names = {observation for _, _, observation in located(sentence, "present")}
            yield from ((number, finding) for finding in study.truth or () if finding.observation in names)


def covered(box: Sequence[float], side: int) -> np.ndarray:
    """(side, side): the share of each patch that a box covers."""
    centres = (np.arange(side * FINE) + 0.5) / (side * FINE)
    across, down = ((centres >= low) & (centres < high) for low, high in ((box[0], box[2]), (box[1], box[3])))
    fine = down[:, None] & across[None]
    return fine.reshape(side, FINE, side, FINE).mean((1, 3))


def likeness(explanation: Explanation) -> Iterator[float]:
    """Correlation of the maps of every two sentences of a film."""
    flat = explanation.maps.reshape(len(explanation.maps), -1)
    flat = flat[flat.std(axis=1) > 0]
    if len(flat) > 1:
        yield from np.corrcoef(flat)[np.triu_indices(len(flat), 1)].tolist()


def summary(rows: Sequence[Sequence[float]]) -> dict:
    """mass_ratio: mean mass inside over mean share of the film inside, what a uniform map has; mean_of_ratios: the same
    row by row, where small boxes weigh more; peak_inside beside uniform_inside: the pointing game."""
    if not rows:
        return {"rows": 0}
    mass, area, peak = np.array(rows).T
    seen = area > 0
    return {
        "rows": len(rows), "mass_inside": mean(mass), "uniform_inside": mean(area),
        "mass_ratio": round(float(mass.mean() / area.mean()), 4),
        "mean_of_ratios": mean(mass[seen] / area[seen]), "peak_inside": mean(peak),
    }  # fmt: skip


def mean(values: Sequence[float] | np.ndarray) -> float:
    return round(float(np.mean(values)), 4) if len(values) else float("nan")


if __name__ == "__main__":
    main()
