"""`ScoreBoard`: everything that is known about a system's outputs once they are scored; its JSON is scores.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mrg_llm.scoring.diagnostics import Diagnosis
from mrg_llm.scoring.outputs import write_text
from mrg_llm.scoring.statistics import Difference, Interval

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
    "clinical_micro_f1_13": "clinical F1, micro, 13",
    "clinical_f1_5": "clinical F1, macro, 5",
    "clinical_micro_f1_5": "clinical F1, micro, 5",
    "clinical_example_f1": "clinical F1, by report, 14",
    "anatomy_f1": "anatomy F1",
}
"""What a metric is called where people read."""

LANGUAGE = ("bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider")

Sections = dict[str, dict[str, Interval]]


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
class OtherProtocol:
    """The same outputs under another protocol: the language metrics of the system and of what stands beside it."""

    words: str
    system: dict[str, Interval]
    rivals: dict[str, dict[str, Interval]]


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
    protocols: dict[str, OtherProtocol] = field(default_factory=dict)

    def beside(self, others: Sequence[ScoreBoard]) -> ScoreBoard:
        """This board with the language metrics of the same outputs under other protocols."""
        return replace(self, protocols={other.protocol: other.in_short() for other in others})

    def in_short(self) -> OtherProtocol:
        rivals = {name: language(rival.sections["metrics"]) for name, rival in self.rivals.items()}
        return OtherProtocol(self.protocol_words, language(self.metrics), rivals)

    @property
    def rivals(self) -> dict[str, Rival]:
        """Everything the system stands beside."""
        return self.baselines | self.comparisons | self.controls

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
            **plain(self.sections),
            "baselines": {name: _rival(rival) for name, rival in self.baselines.items()},
            "against": {name: _rival(rival) for name, rival in self.comparisons.items()},
            "controls": {name: _rival(rival) for name, rival in self.controls.items()},
            "breakdown": self.breakdown,
            "protocols": plain(self.protocols),
            "diagnostics": {name: asdict(d) for name, d in self.diagnostics.items()},
            "warnings": list(self.warnings),
            "labeler": self.labeler,
            "intervals": {"kind": "bootstrap over studies, 95 % percentile", "draws": self.draws, "seed": self.seed},
            "versions": self.versions,
            "skipped": self.skipped,
        }

    def save(self, path: str | Path) -> Path:
        """Write scores.json, whole or not at all. Raises ResourceError."""
        write_text(Path(path), json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n")
        return Path(path)


def language(metrics: Mapping[str, Interval]) -> dict[str, Interval]:
    """The metrics that a protocol changes; labels are read from the whole reports under each."""
    return {name: value for name, value in metrics.items() if name in LANGUAGE}


def _rival(rival: Rival) -> dict[str, Any]:
    return {"what": rival.what, **plain(rival.sections), "ours_minus_theirs": plain(rival.ours_minus_theirs)}


def plain(value: Any) -> Any:
    """Dataclasses in nested dicts -> dicts."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return asdict(value)
