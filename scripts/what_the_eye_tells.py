"""How much of a report do the frozen features of its films tell a straight line? What to hold a generator against.

    python scripts/what_the_eye_tells.py iu-xray:PATH [--run RUN] [--set side_px=252] [--split val] [--limit N]
        [--out eye.json]

Logistic regressions that are held small (those of model/probe.py) read mean and spread of a run's frozen patch
features, and are fitted to the training split alone. Two things are measured on --split:

- words: what the regressions tell of the words of a report, in nats a token of the reports, against how often each is
  said ("told"), and against what they tell of the next study's film ("right film"). Words are taken one by one, so
  what one says of another counts twice: a generator that reads as well gets less.
- findings: the CheXpert observations that the regressions call present, each at the threshold that is best for its F1
  in the training split, films there told by regressions that have not seen them. This is what a report would score
  that says just that; a generator that scores as much says what a straight line can read.

How small the regressions are held was chosen on IU X-ray's validation split. The encoder has to be frozen. Choose
nothing by the test split. Prints the tables of docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from mrg_llm.boxed import model_folder
from mrg_llm.errors import InputError, MRGError
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.probe import FEWEST, FOLDS, cost, regression, usual_odds
from mrg_llm.progress import counting_bar
from mrg_llm.runs import load, reading, saved_settings
from mrg_llm.scoring.agreement import HEADLINES, agreement, codes
from mrg_llm.scoring.clinical import OBSERVATIONS, label_reports
from mrg_llm.scoring.outputs import write_text
from mrg_llm.scoring.reliability import auroc
from mrg_llm.scoring.scoreboard import LABELS, plain
from mrg_llm.scoring.statistics import Interval, Tally, intervals, ratio
from mrg_llm.settings import changed
from mrg_llm.studies import open_studies
from mrg_llm.training.data import SplitData, indicator, spoken_words, tokens_said
from mrg_llm.training.probing import film_summaries

THRESHOLDS = 400  # tried a finding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="KIND:ROOT")
    parser.add_argument("--run", default="starter", help="whose frozen encoder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="look with other settings of [model.vision]",
    )
    parser.add_argument("--split", default="val")
    parser.add_argument("--limit", type=int, default=0, help="the first N studies of the split; 0: all")
    parser.add_argument("--out", type=Path, help="write the numbers here, as JSON")
    asked = parser.parse_args()
    torch.manual_seed(0)
    settings = saved_settings(model_folder(asked.run))
    if asked.changes:
        vision = [f"vision.{change.removeprefix('model.').removeprefix('vision.')}" for change in asked.changes]
        settings = settings.model_copy(update={"model": changed(settings, "model", vision).model})
        model = MRGModel.build(settings.model).eval()  # its encoder alone is asked
    else:
        model = load(asked.run).model.eval()
    if settings.train.lr_encoder and settings.model.vision.trained_layers != 0:
        raise InputError(f"the encoder of {asked.run} was trained; its features have seen the training reports")
    studies = open_studies(asked.data, **reading(asked.run, asked.data))
    data = {}
    for name, limit in (("train", None), (asked.split, asked.limit or None)):
        own = [s for s in studies.split(name) if (s.report or "").strip()][:limit]
        data[name] = SplitData(own, model.language.tokenizer, settings, augmented=False)
        data[name].read_films()
    seen = {name: summaries(model, own, name) for name, own in data.items()}
    mean, scale = seen["train"].mean(0), seen["train"].std(0).clamp_min(1e-6)
    train, other = ((seen[name] - mean) / scale for name in ("train", asked.split))
    learned, own = data["train"], data[asked.split]
    told = words_told(train, other, learned, own, model.language.tokenizer, settings.data.max_report_tokens)
    named, areas = findings_named(train, other, learned, own)
    show(told, named, areas, own)
    if asked.out:
        found = {"words": plain(told), "findings": plain(named), "auroc": areas, "n": len(own), "split": asked.split}
        write_text(asked.out, json.dumps(found, indent=1) + "\n")


def summaries(model: MRGModel, data: SplitData, name: str) -> Tensor:
    """(S, F)."""
    with counting_bar(f"looking at the {name} films", len(data), Console(stderr=True)) as advance:
        return film_summaries(model, data, progress=advance).float()


def words_told(
    train_SF: Tensor, other_SF: Tensor, learned: SplitData, own: SplitData, tokenizer, longest: int
) -> dict[str, Interval]:
    spoken, said_ST = spoken_words([s.report or "" for s in learned.studies], tokenizer)
    usual_T = usual_odds(said_ST)
    weights_FT = regression(train_SF, said_ST, usual_T)
    texts = tokens_said([s.report or "" for s in own.studies], tokenizer, longest)
    columns = {token: i for i, token in enumerate(spoken.tolist())}
    true_ST = indicator([text & columns.keys() for text in texts], columns)
    logits_ST = other_SF @ weights_FT + usual_T
    usual, right, strange = (
        of_each(logits, true_ST) for logits in (usual_T.expand_as(true_ST), logits_ST, logits_ST.roll(1, 0))
    )
    tokens = np.array(own.lengths, dtype=np.float64)

    def formula(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
        total = sums_DS[:, -1]
        return {"told": ratio(sums_DS[:, 0], total), "right film": ratio(sums_DS[:, 1], total)}

    return intervals([Tally(np.stack([usual - right, strange - right, tokens], axis=1), formula)])


def of_each(logits_ST: Tensor, true_ST: Tensor) -> np.ndarray:
    """Nats of each study, (S,)."""
    return np.array([float(cost(logits, true)) for logits, true in zip(logits_ST, true_ST, strict=True)])


def findings_named(
    train_SF: Tensor, other_SF: Tensor, learned: SplitData, own: SplitData
) -> tuple[dict[str, Interval], dict[str, float]]:
    present_S14 = torch.from_numpy((labels_of(learned) == 1).astype(np.float32))
    usual = usual_odds(present_S14)
    folds, unseen_S14 = torch.from_numpy(learned.folds), torch.zeros_like(present_S14)
    for fold in range(FOLDS):
        weights = regression(train_SF[folds != fold], present_S14[folds != fold], usual)
        unseen_S14[folds == fold] = train_SF[folds == fold] @ weights + usual
    logits_S14 = (other_SF @ regression(train_SF, present_S14, usual) + usual).numpy()
    named_S14 = np.zeros(logits_S14.shape, dtype=np.float32)
    for c in range(1, len(OBSERVATIONS)):
        if present_S14[:, c].sum() >= FEWEST:
            named_S14[:, c] = logits_S14[:, c] >= best_threshold(
                unseen_S14[:, c].numpy(), present_S14[:, c].numpy() == 1
            )
    devices = OBSERVATIONS.index("Support Devices")
    named_S14[:, 0] = np.delete(named_S14, [0, devices], axis=1).sum(1) == 0
    true_S14 = labels_of(own)
    found = intervals([agreement(codes(named_S14), codes(true_S14)).only(HEADLINES)])
    areas = {name: auroc(logits_S14[:, c], true_S14[:, c] == 1) for c, name in enumerate(OBSERVATIONS)}
    return found, {name: area for name, area in areas.items() if not np.isnan(area)}


def labels_of(data: SplitData) -> np.ndarray:
    return label_reports(study.report or "" for study in data.studies)


def best_threshold(logits_S: np.ndarray, present_S: np.ndarray) -> float:
    """That of the best F1."""
    tried = np.quantile(logits_S, np.linspace(0, 0.998, THRESHOLDS))
    f1 = [2 * (present_S & (logits_S >= t)).sum() / ((logits_S >= t).sum() + present_S.sum()) for t in tried]
    return float(tried[int(np.argmax(f1))])


def show(told: dict[str, Interval], named: dict[str, Interval], areas: dict[str, float], own: SplitData) -> None:
    print(f"\n{len(own)} studies; 95 % intervals by bootstrap over studies\n\n| nats a token | |\n| --- | --- |")
    for name, value in told.items():
        print(f"| {name} | {value.value:.3f} ({value.low:.3f} to {value.high:.3f}) |")
    print("\n| findings, named at the best threshold of the training split | |\n| --- | --- |")
    for name, value in named.items():
        print(f"| {LABELS[name]} | {value.value:.3f} ({value.low:.3f} to {value.high:.3f}) |")
    true = (labels_of(own) == 1).sum(0)
    print("\n| observation | present | AUROC |\n| --- | --- | --- |")
    for name, count in zip(OBSERVATIONS, true, strict=True):
        print(f"| {name} | {count} | {f'{areas[name]:.2f}' if name in areas else ''} |")


if __name__ == "__main__":
    try:
        main()
    except MRGError as error:
        sys.exit(f"error: {error}")
