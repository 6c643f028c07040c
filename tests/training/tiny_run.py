"""Trains on studies listed in a JSON file: `python tiny_run.py settings.json studies.json OUT [--resume]`."""

import json
import sys
from pathlib import Path

from mrg_llm.settings import Settings
from mrg_llm.studies.study import Study, StudySet, View
from mrg_llm.training.loop import train


def read(path: str) -> StudySet:
    rows = json.loads(Path(path).read_text())
    return StudySet("tiny", tuple(
        Study(r["id"], r["split"], tuple(View(Path(v)) for v in r["views"]), r["report"]) for r in rows
    ))  # fmt: skip


if __name__ == "__main__":
    settings_file, studies_file, out = sys.argv[1:4]
    settings = Settings.model_validate_json(Path(settings_file).read_text())
    train(settings, read(studies_file), Path(out), resume="--resume" in sys.argv)
