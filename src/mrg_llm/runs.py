"""A run folder, from outside: load it to write reports, check it, generate a whole split with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mrg_llm.boxed import model_folder
from mrg_llm.errors import CheckpointError, DataError
from mrg_llm.model.confidence import CALIBRATION_FILE, Calibration
from mrg_llm.model.configuration import MRGConfig
from mrg_llm.model.context import PARTS
from mrg_llm.model.decoding import refuse_unwritable
from mrg_llm.model.familiarity import Familiarity
from mrg_llm.model.modeling import MRGModel, read_config
from mrg_llm.model.processing import Reporter
from mrg_llm.settings import DecodeSettings, Settings, changed_decoding, read_settings, refuse_clashes
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import Study
from mrg_llm.studies.texts import parted
from mrg_llm.training.checkpoint import verify
from mrg_llm.training.publish import DATA_FILE, FAMILIAR_FILE, SETTINGS_FILE


def load(
    run: str | Path, *, decode: DecodeSettings | None = None, changes: Sequence[str] = (), device: str | None = None,
    precision: str = "fp32",
) -> Reporter:  # fmt: skip
    """A trained model from its run folder, or the "starter" that comes with the package, ready to write reports.

    decode: how it writes, else as its settings say; changes: of that, "guidance=0". device: int8 weights are for a
    processor, all others for a GPU where there is one. precision: "fp32" (a study gets the same report alone or in any
    batch) or "bf16". Raises CheckpointError where the folder is not a run, is damaged, or was trained for another LLM,
    SettingsError where this run cannot write like that.
    """
    import torch

    folder = model_folder(run)
    if not folder.is_dir():
        raise CheckpointError(f"{run} is not a folder; give the run folder that 'mrg train --out' wrote")
    changed = verify(folder)
    if changed:
        raise CheckpointError(
            f"{folder} is damaged: {', '.join(changed)} differ from the manifest; restore or retrain it"
        )
    settings = saved_settings(folder)
    decode = changed_decoding(decode or settings.decode, changes)
    refuse_clashes(settings.model_copy(update={"decode": decode}))
    model = MRGModel.from_pretrained(folder, torch.bfloat16 if precision == "bf16" else torch.float32)
    refuse_other_llm(model)
    on_gpu = torch.cuda.is_available() and decode.weights == "full"
    model = model.to(device or ("cuda" if on_gpu else "cpu"))
    refuse_unwritable(model.language, decode)
    path = folder / FAMILIAR_FILE
    familiarity = Familiarity.load(path) if path.is_file() else None
    path = folder / CALIBRATION_FILE
    calibration = Calibration.load(path) if path.is_file() else None
    return Reporter(model, decode, folder.name, familiarity, calibration, settings.confidence)


def refuse_other_llm(model: MRGModel) -> None:
    """The frozen weights must be the ones the prompts were trained for."""
    expected = model.config.language.weights_sha256
    if expected and model.language.weights_sha256() != expected:
        raise CheckpointError(
            f"{model.config.language.source} is not the language model this run was trained for (its weights hash "
            "differs); prompts mean nothing to another model"
        )


def saved_settings(folder: Path) -> Settings:
    """The run's own settings."""
    path = folder / SETTINGS_FILE
    return read_settings(path) if path.is_file() else Settings()


def reading(run: str | Path, spec: str, split_by: str | None = None) -> dict[str, str | None]:
    """How `open_studies` should read the data `spec` for this run: the sections it learned, and where it is the data
    that it was trained on, the splits that it was trained with (else its training studies could pass for others).
    """
    folder = model_folder(run)
    try:
        learned = Settings.model_validate_json((folder / SETTINGS_FILE).read_text()).data
        trained = json.loads((folder / DATA_FILE).read_text())
    except (OSError, ValueError):  # no run, or a damaged one: loading it says so
        return {"split_by": split_by, "sections": "findings"}
    if split_by is None and trained.get("split_by"):
        how = {"split_by": trained["split_by"], "sections": learned.sections, "deidentified": learned.deidentified}
        if same_source(spec, trained["source"]) or open_studies(spec, **how).fingerprint == trained["sha256"]:
            split_by = trained["split_by"]
    return {"split_by": split_by, "sections": learned.sections}


def same_source(spec: str, other: str) -> bool:
    """Whether two KIND:ROOT mean the same place."""
    (kind, _, root), (other_kind, _, other_root) = spec.partition(":"), other.partition(":")
    return kind == other_kind and Path(root).expanduser().resolve() == Path(other_root).resolve()


def generate(
    reporter: Reporter, studies: Sequence[Study], out: Path, progress: Callable[[int], None] = lambda done: None,
    how: Mapping[str, str | None] | None = None,
) -> dict[str, tuple[str, ...]]:  # fmt: skip
    """Write predictions.jsonl for these studies, whole or not at all. how: as `reading` gave it.

    A film that cannot be read costs its study, not the run: returns id -> a sentence for each such film. A study
    without any readable film has an empty prediction, and is scored as one.
    """
    from mrg_llm.scoring.outputs import write_predictions

    if not studies:
        raise DataError("there is no study to write a report for; check --split")
    decoding = reporter.decode.model_dump()
    how = how or {}
    split_by = {"split_by": how["split_by"]} if how.get("split_by") else {}
    sections = (how.get("sections") or "findings").split("+")
    told = reporter.model.config.language.context
    rows = []
    problems = {}
    for study, report in zip(studies, reporter.reports(studies, progress), strict=True):
        if report.problems:
            problems[study.id] = report.problems
        rows.append(
            {
                "id": study.id,
                "split": study.split,
                "prediction": report.text,
                **({"reference": study.report} if study.report else {}),
                **split_by,
                "sections": sections,
                **({"written": parted(report.text)} if len(sections) > 1 else {}),
                "context": [part for part in told if PARTS[part][1](study)],
                "views": report.views,
                "seconds": round(report.seconds, 4),
                "tokens": report.tokens,
                "ended": report.ended,
                **({"problems": list(report.problems)} if report.problems else {}),
                "model": reporter.name,
                "decoding": decoding,
            }
        )
    write_predictions(out, rows)
    return problems


def describe(run: str | Path) -> tuple[MRGConfig, list[str], dict]:
    """What `mrg check` prints: the config, the files that are damaged, and where the data came from."""
    folder = model_folder(run)
    changed = verify(folder)
    config = read_config(folder)
    data = folder / DATA_FILE
    return config, changed, json.loads(data.read_text()) if data.is_file() else {}
