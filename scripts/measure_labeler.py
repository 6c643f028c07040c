"""Measure the labeler against what is known of reports, and write rules/quality.json, printed beside every score.

    python scripts/measure_labeler.py labels.jsonl annotation.json --source "IU X-ray, 66 reports" \\
        [--tags reports.csv] [--phantoms 2000] [--out quality.json] [--errors]

People's labels (labels.jsonl: {"id", "labels": {observation: 1, 0, -1 or null}} a line) come first. Beside them: the
findings that phantom reports were written from, and the indexers' tags of IU X-ray (Problems), which stand for findings
and impression together, name some findings by other words, and say nothing of what is absent; the test split's are left
out. The reports are {"id", "text"} lines or an annotation.json of {"train": [{"id", "report"}], ...}. Nothing of a
report is written, only counts.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrg_llm.scoring import clinical
from mrg_llm.scoring.clinical import OBSERVATIONS, label_report

RULES = Path(clinical.__file__).parent / "rules"
TAGS = {  # of IU X-ray's "Problems" -> observation
    "Cardiomegaly": ("Cardiomegaly",),
    "Lung Opacity": ("Opacity", "Airspace Disease", "Infiltrate"),
    "Lung Lesion": ("Nodule", "Mass"),
    "Edema": ("Pulmonary Edema",),
    "Consolidation": ("Consolidation",),
    "Pneumonia": ("Pneumonia",),
    "Atelectasis": ("Pulmonary Atelectasis",),
    "Pneumothorax": ("Pneumothorax", "Hydropneumothorax"),
    "Pleural Effusion": ("Pleural Effusion", "Hydropneumothorax"),
    "Fracture": ("Fractures, Bone",),
    "Support Devices": (
        "Catheters, Indwelling", "Surgical Instruments", "Implanted Medical Device", "Medical Device", "Tube, Inserted",
        "Stents", "Spinal Fusion",
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the labeler against labels people gave.")
    parser.add_argument("labels", type=Path)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--source", required=True, help="what was labelled, by whom: printed beside every score")
    parser.add_argument("--out", type=Path, default=RULES / "quality.json")
    parser.add_argument("--errors", action="store_true", help="list id, observation, people's label, ours")
    parser.add_argument("--tags", type=Path, help="IU X-ray's reports.csv with Problems, findings and impression")
    parser.add_argument("--phantoms", type=int, default=0, help="phantom reports to write and label")
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
    if arguments.phantoms:
        quality["phantoms"] = phantoms(arguments.phantoms)
    if arguments.tags:
        left_out = test_ids(arguments.reports)
        quality["tags"] = tags(arguments.tags, left_out)
    arguments.out.write_text(json.dumps(quality, indent=2) + "\n", encoding="utf-8")
    for what, rows in (("people", quality), ("phantoms", quality.get("phantoms")), ("tags", quality.get("tags"))):
        if rows:
            print(f"against {what}: {rows['n']} reports")
            for name, row in rows["present"].items():
                print(f"  {name:28s} P {show(row['precision'])} R {show(row['recall'])} F1 {show(row['f1'])} "
                      f"n {row['support']}")  # fmt: skip


def read_reports(path: Path) -> dict[str, str]:
    """id -> text, from JSON lines or an annotation file."""
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {row["id"]: row["text"] for row in lines}
    splits = json.loads(path.read_text(encoding="utf-8"))
    return {row["id"]: row["report"] for split in splits.values() for row in split}


def test_ids(annotation: Path) -> frozenset[str]:
    """Ids of the test split, where the reports come with splits."""
    if annotation.suffix == ".jsonl":
        return frozenset()
    return frozenset(row["id"] for row in json.loads(annotation.read_text(encoding="utf-8")).get("test", ()))


def phantoms(count: int, seed: int = 1) -> dict:
    """Present findings of phantom reports against the findings they were written from."""
    from mrg_llm.studies.phantom.anatomy import draw_body
    from mrg_llm.studies.phantom.findings import FINDINGS, draw_scene
    from mrg_llm.studies.phantom.grammar import write_report

    observations = tuple(dict.fromkeys(FINDINGS.values()))
    pairs = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        scene = draw_scene(draw_body(rng), rng)
        report = write_report(list(scene.findings.values()), rng, scene.nodule_mm)
        pairs.append(({f.observation for f in scene.findings.values()}, report))
    return {"n": count, "present": present(pairs, observations)}


def tags(path: Path, left_out: frozenset[str]) -> dict:
    """Present findings against the indexers' tags, by observation; studies that were not indexed do not count."""
    pairs = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            problems = {tag.strip() for tag in row["Problems"].split(";")}
            if row["study"] in left_out or "No Indexing" in problems:
                continue
            truth = {name for name, names in TAGS.items() if problems & set(names)}
            pairs.append((truth, f"{row['findings']} {row['impression']}"))
    return {"n": len(pairs), "present": present(pairs, tuple(TAGS))}


def present(pairs: Sequence[tuple[set[str], str]], observations: Sequence[str]) -> dict:
    counts = {name: [0, 0, 0] for name in observations}
    for truth, report in pairs:
        ours = label_report(report).labels
        for name in observations:
            said, true = ours[name] == 1, name in truth
            counts[name][0] += said and true
            counts[name][1] += said and not true
            counts[name][2] += true and not said
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    return {name: scores(*row) for name, row in [*counts.items(), ("micro", total)]}


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
