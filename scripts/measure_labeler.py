"""Measure the labeler against labels people gave: labels.jsonl + reports -> rules/quality.json.

    python scripts/measure_labeler.py labels.jsonl reports.jsonl --source "IU X-ray, 66 reports" [--out quality.json]

labels.jsonl: {"id", "labels": {observation: 1, 0, -1 or null}} a line. The reports are {"id", "text"} lines or an
annotation.json of {"train": [{"id", "report"}], ...}. Nothing of a report is written, only counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from mrg_llm.scoring import clinical
from mrg_llm.scoring.clinical import OBSERVATIONS, label_report

RULES = Path(clinical.__file__).parent / "rules"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the labeler against labels people gave.")
    parser.add_argument("labels", type=Path)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--source", required=True, help="what was labelled, by whom: printed beside every score")
    parser.add_argument("--out", type=Path, default=RULES / "quality.json")
    parser.add_argument("--errors", action="store_true", help="list id, observation, people's label, ours")
    arguments = parser.parse_args()

    texts = read_reports(arguments.reports)
    people = [json.loads(line) for line in arguments.labels.read_text(encoding="utf-8").splitlines() if line.strip()]
    missing = [row["id"] for row in people if row["id"] not in texts]
    if missing or not people:
        raise SystemExit(f"{len(missing)} of {len(people)} labelled ids are not in {arguments.reports}: {missing[:3]}")
    pairs = [(row["id"], row["labels"], label_report(texts[row["id"]]).labels) for row in people]
    if arguments.errors:
        for identity, truth, ours in pairs:
            for name in OBSERVATIONS:
                if truth.get(name) != ours[name]:
                    print(identity, name, truth.get(name), ours[name], sep="\t")
    quality = {"source": arguments.source, "n": len(pairs), "rules": fingerprint(), **measure(pairs)}
    arguments.out.write_text(json.dumps(quality, indent=2) + "\n", encoding="utf-8")
    for name, row in quality["present"].items():
        print(f"{name:28s} P {show(row['precision'])} R {show(row['recall'])} F1 {show(row['f1'])} n {row['support']}")


def read_reports(path: Path) -> dict[str, str]:
    """id -> text, from JSON lines or an annotation file."""
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {row["id"]: row["text"] for row in lines}
    splits = json.loads(path.read_text(encoding="utf-8"))
    return {row["id"]: row["report"] for split in splits.values() for row in split}


def measure(pairs: list[tuple[str, dict, dict]]) -> dict:
    """Precision, recall and F1 of each value people can give (present, absent, uncertain), and exact agreement."""
    result: dict = {}
    for kind, value in (("present", 1), ("absent", 0), ("uncertain", -1)):
        counts = {name: [0, 0, 0] for name in OBSERVATIONS}
        for _, truth, ours in pairs:
            for name in OBSERVATIONS:
                said, true = ours[name] == value, truth.get(name) == value
                counts[name][0] += said and true
                counts[name][1] += said and not true
                counts[name][2] += true and not said
        total = [sum(column) for column in zip(*counts.values(), strict=True)]
        result[kind] = {name: scores(*row) for name, row in [*counts.items(), ("micro", total)]}
    agreed = sum(truth.get(name) == ours[name] for _, truth, ours in pairs for name in OBSERVATIONS)
    result["agreement"] = round(agreed / (len(pairs) * len(OBSERVATIONS)), 4)
    return result


def scores(tp: int, fp: int, fn: int) -> dict:
    """None where nothing was said (precision), nothing was there (recall), or neither (F1)."""
    return {
        "precision": round(tp / (tp + fp), 4) if tp + fp else None,
        "recall": round(tp / (tp + fn), 4) if tp + fn else None,
        "f1": round(2 * tp / (2 * tp + fp + fn), 4) if tp + fp + fn else None,
        "support": tp + fn,
    }


def show(value: float | None) -> str:
    return "  -  " if value is None else f"{value:.3f}"


def fingerprint() -> str:
    """Hash of the tables that were measured."""
    digest = hashlib.sha256()
    for path in sorted(RULES.glob("*.tsv")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
