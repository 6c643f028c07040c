"""Finished cells -> NAME.json: the figures of every arm, tests between them, what they cost, how training went.

All tables and plots are made from this file alone, and another one can be compared with it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mrg_llm.errors import ModelSourceError
from mrg_llm.experiment.cells import Cell
from mrg_llm.experiment.figures import Groups, Judge, differences, figures
from mrg_llm.experiment.plan import Arm, Planned
from mrg_llm.scoring.baselines import NEAREST
from mrg_llm.scoring.scorer import baselines_of
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.training.checkpoint import write_file
from mrg_llm.training.journal import FILE, entries
from mrg_llm.training.spent import Spent, spent_in

Say = Callable[[str], None]


def scored(planned: Planned, cells: Sequence[Cell], split: str, judge: Judge, nearest, say: Say) -> dict[str, Any]:
    """Everything about one split: figures an arm, tests, baselines. nearest: () -> study id -> training id."""
    measured: dict[str, dict[int, Groups]] = {}
    distinct: dict[str, list[dict[str, float]]] = {}
    for cell in cells:
        say(f"scoring {cell.name} on {split}")
        measured.setdefault(cell.arm.name, {})[cell.seed] = judge.of_cell(cell, split)
        distinct.setdefault(cell.arm.name, []).append(judge.diagnosed(cell, split))
    beside, skipped = baselines(judge, nearest, say)
    say("resampling")
    arms = {
        name: {
            "seeds": list(by_seed), "figures": figures(by_seed, judge.draws),
            "diagnostics": {key: mean([d[key] for d in distinct[name]]) for key in distinct[name][0]},
        }
        for name, by_seed in measured.items()
    }  # fmt: skip
    others = measured | {name: dict.fromkeys(planned.experiment.seeds, own) for name, (_, own) in beside.items()}
    tests = [
        {"arm": arm.name, "against": other, **differences(measured[arm.name], others[other], judge.draws)}
        for arm in planned.experiment.arm
        if arm.name in measured
        for other in tested_against(planned, arm)
        if other in others
    ]
    skipped |= {} if judge.jar else {"meteor": "there is no Java, or it was switched off"}
    return {
        "split": split, "n": len(judge.studies), "arms": arms, "tests": tests,
        "baselines": {
            name: {"what": what, "figures": figures({0: own}, judge.draws)} for name, (what, own) in beside.items()
        },
        "drawn": judge.drawn, "skipped": skipped, "draws": judge.draws,
    }  # fmt: skip


def tested_against(planned: Planned, arm: Arm) -> list[str]:
    """A control: the arm it is of. A reference: those named before it. Any other: all references. All but controls: the
    reports of the nearest training films."""
    references = list(planned.experiment.references)
    if arm.of:
        return [arm.of]
    before = references[: references.index(arm.name)] if arm.name in references else references
    return [*before, NEAREST]


def baselines(judge: Judge, nearest, say: Say) -> tuple[dict[str, tuple[str, Groups]], dict[str, str]]:
    """(what it is, its figures) of each baseline, and why others are missing."""
    say("baselines")
    skipped = {}
    try:
        likest = nearest() if nearest else None
    except ModelSourceError as error:
        likest, skipped[NEAREST] = None, str(error)
    language = judge.language(judge.protocols[0])
    found, missing = baselines_of(judge.ids, judge.training, likest, language, judge.labels, "bleu4+cider", 0)
    measured = {b.name: (b.what, judge.of_reports(b.predictions, clean=True)) for b in found}
    return measured, missing | skipped


def identity(studies: StudySet) -> dict[str, Any]:
    """Which data they are: kind, numbers of studies, and a hash of each split's ids and reports. Films are left out of
    it: the same studies come as PNG and as JPEG, in several sizes."""
    splits = {split: sorted((s.id, s.report) for s in studies.split(split)) for split in ("train", "val", "test")}
    sizes = {split: len(own) for split, own in splits.items()}
    hashes = {split: hashlib.sha256(json.dumps(own).encode()).hexdigest() for split, own in splits.items()}
    return {"kind": studies.source.partition(":")[0], **sizes, "reports_sha256": hashes}


def trained(planned: Planned, cells: Sequence[Cell]) -> dict[str, Any]:
    """What training each arm was: settings, parameters, cost and course; means over seeds."""
    result: dict[str, Any] = {}
    for arm in planned.experiment.arm:
        own = [cell for cell in cells if cell.arm == arm]
        if not own:
            continue
        result[arm.name] = {"what": arm.what}
        if arm.of:
            result[arm.name] |= {"of": arm.of, "shown": arm.shown}
            continue
        headers = [next(iter(entries(cell.run / FILE))) for cell in own]
        best = [best_validation(cell.run) for cell in own]
        result[arm.name] |= {
            "set": list(arm.set), "chosen": dict(planned.chosen).get(arm.name), "starts_from": own[0].start,
            "settings": told(planned, arm), "parameters": headers[0]["parameters"],
            "cost": mean_cost([spent_in(cell.run / FILE) for cell in own]),
            "alignment_cost": mean_cost([spent_in(cell.aligned / FILE) for cell in own if cell.aligned]),
            "best_validation": {key: mean([b[key] for b in best]) for key in ("step", "loss", "image_worth")},
            "curves": {str(cell.seed): curve(cell.run) for cell in own},
        }  # fmt: skip
    return result


def told(planned: Planned, arm: Arm) -> dict[str, Any]:
    """All settings of an arm, and those of the alignment it starts from (null without), the seed left out: what a
    comparison with another one goes by."""
    seed = planned.experiment.seeds[0]
    both = {"arm": planned.settings(arm, seed), "alignment": planned.alignment(arm, seed)}
    return {name: s and s.model_dump(mode="json", exclude={"train": {"seed"}}) for name, s in both.items()}


def validations(run: Path) -> list[dict[str, Any]]:
    return [entry for entry in entries(run / FILE) if entry.get("event") == "validation"]


def best_validation(run: Path) -> dict[str, float]:
    """The validation that chose the weights; not a number where there was none."""
    nothing = {"step": math.nan, "loss": math.nan, "image_worth": math.nan}
    return max(validations(run), key=lambda entry: entry["selection"], default=nothing)


def curve(run: Path) -> list[list[float]]:
    """[step, nats a token, what the right film is worth] of each validation."""
    return [[e["step"], e["loss"], e["image_worth"]] for e in validations(run)]


def mean_cost(spent: Sequence[Spent]) -> dict[str, float] | None:
    if not spent:
        return None
    rows = [asdict(s) for s in spent]
    return {key: mean([row[key] for row in rows]) for key in rows[0]}


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all; what is not a number becomes null."""
    write_file(path, (json.dumps(without_nan(value), indent=1, ensure_ascii=False) + "\n").encode())


def without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def likest_films(out: Path, split: str, studies: Sequence[Study], training: Sequence[Study], console):
    """() -> study id -> id of the training study whose film is nearest; computed once a folder."""
    from mrg_llm.model.nearest import nearest_training_films
    from mrg_llm.progress import counting_bar

    path = out / f"nearest-{split}.json"

    def found() -> dict[str, str]:
        known = json.loads(path.read_text()) if path.is_file() else {}
        if any(study.id not in known for study in studies):
            with counting_bar("nearest training films", len(studies) + len(training), console) as advance:
                known = nearest_training_films(studies, training, advance)
            write_json(path, known)
        return known

    return found
