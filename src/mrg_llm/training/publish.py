"""The run folder's face: config, best weights, settings, model card and manifest; and which validation is the best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import save as tensor_bytes

from mrg_llm.errors import CheckpointError, DataError, InputError, SettingsError
from mrg_llm.model.confidence import CALIBRATION_FILE, Calibration
from mrg_llm.model.configuration import MRGConfig
from mrg_llm.model.familiarity import Familiarity
from mrg_llm.model.modeling import CONFIG_FILE, WEIGHTS_FILE, MRGModel, read_config
from mrg_llm.settings import Settings, read_settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training.checkpoint import MANIFEST, Position, manifest_bytes, write_file
from mrg_llm.training.journal import versions

SETTINGS_FILE, CARD_FILE, DATA_FILE = "settings.json", "README.md", "data.json"
FAMILIAR_FILE = "familiarity.safetensors"
PUBLISHED = (CONFIG_FILE, WEIGHTS_FILE, SETTINGS_FILE, DATA_FILE, CARD_FILE, FAMILIAR_FILE, CALIBRATION_FILE)


def refuse_other_run(out: Path, settings: Settings, resume: bool) -> None:
    """A run folder is never overwritten, and never resumed with other settings."""
    path = out / SETTINGS_FILE
    if not resume:
        if path.exists():
            raise InputError(f"{out} already holds a run; go on with --resume, or choose another --out")
        return
    if path.exists() and read_settings(path) != settings:
        raise SettingsError(f"{out} was started with other settings; resume with the same preset and --set values")


def refuse_other_data(out: Path, studies: StudySet) -> None:
    """A run is not resumed on other studies, or on the same ones in other splits."""
    path = out / DATA_FILE
    if path.is_file() and json.loads(path.read_text())["sha256"] != studies.fingerprint:
        raise DataError(
            f"{out} was started on other studies, reports or splits; resume with the same --data and --split-by"
        )


def open_folder(out: Path, model: MRGModel, settings: Settings, studies: StudySet) -> None:
    """What does not change while training goes on."""
    write_file(out / CONFIG_FILE, model.config.model_dump_json(indent=1).encode())
    write_file(out / SETTINGS_FILE, settings.model_dump_json(indent=1).encode())
    data = {"source": studies.source, "sha256": studies.fingerprint, "notes": [str(n) for n in studies.notes]}
    data |= {"split_by": studies.split_by} if studies.split_by else {}
    data |= {split: len(studies.split(split)) for split in ("train", "val", "test")}
    write_file(out / DATA_FILE, json.dumps(data, indent=1).encode())


def keep_best(out: Path, model: MRGModel, position: Position) -> None:
    """The best weights so far become the model of the run folder. How sure others were says nothing of these."""
    (out / CALIBRATION_FILE).unlink(missing_ok=True)
    write_file(out / WEIGHTS_FILE, tensor_bytes({n: t.contiguous() for n, t in model.trained_state().items()}))
    write_file(out / CARD_FILE, model_card(model, out, position).encode())
    seal(out)


def finish(out: Path, model: MRGModel, settings: Settings, position: Position) -> None:
    """Without a validation that chose, the last weights are the model."""
    if position.best is None:
        keep_best(out, model, position)
    seal(out)


def keep_familiarity(out: Path, familiarity: Familiarity) -> None:
    """What the training films look like goes with the model."""
    write_file(out / FAMILIAR_FILE, familiarity.to_bytes())
    seal(out)


def keep_calibration(out: Path, calibration: Calibration) -> None:
    """How sure a sentence is goes with the model."""
    write_file(out / CALIBRATION_FILE, calibration.to_bytes())
    seal(out)


def seal(out: Path) -> None:
    present = {name: out / name for name in PUBLISHED if (out / name).is_file()}
    write_file(out / MANIFEST, manifest_bytes(present))


def with_llm_hash(model: MRGModel) -> MRGConfig:
    """The config, with the frozen LLM's revision and hash filled in."""
    language = model.config.language
    if language.weights_sha256 is None:
        commit = getattr(model.language.model.config, "_commit_hash", None)
        language = language.model_copy(
            update={"weights_sha256": model.language.weights_sha256(), "revision": language.revision or commit}
        )
    return model.config.model_copy(update={"language": language})


def copy_trained(model: MRGModel, source: Path) -> None:
    """Start from another run's weights: every part that both models have in the same shape.

    Raises CheckpointError when they do not have the vision encoder in common, trained or frozen.
    """
    from safetensors.torch import load_file

    try:
        state = load_file(source / WEIGHTS_FILE)
    except Exception as error:  # safetensors raises its own, undocumented kinds
        raise CheckpointError(f"{source} holds no trained model to start from; run 'mrg check {source}'") from error
    own = model.trained_state()
    common = {n: t for n, t in state.items() if n in own and own[n].shape == t.shape}
    theirs, ours = read_config(source).vision, model.config.vision
    same = (theirs.source, theirs.layers) == (ours.source, ours.layers)
    trained = any(n.startswith("vision.") for n in own)
    if not same or (trained and not any(n.startswith("vision.") for n in common)):
        raise CheckpointError(f"{source} was trained with another encoder; nothing of it fits this model")
    model.load_state_dict(common, strict=False)


def text_scores(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Quick scores of validation reports under protocol `full` (no intervals)."""
    from mrg_llm.scoring.quick import quick_scores

    return quick_scores(predictions, references)


def selection(values: Mapping[str, float], metric: str) -> float:
    """The number whose maximum chooses the best checkpoint."""
    if metric == "loss":
        return -values["loss"]
    if metric == "bleu4+cider":
        return 0.5 * values["bleu4"] + 0.5 * values["cider"]
    return values[metric]


def model_card(model: MRGModel, out: Path, position: Position) -> str:
    config = model.config
    parts = "\n".join(f"| {part} | {count:,} |" for part, count in model.parts().items())
    data = json.loads((out / DATA_FILE).read_text())
    rank = config.language.lora_rank
    adapters = f", with LoRA adapters of rank {rank} beside them" if rank else ""
    quantize = config.language.quantize
    held = f", held in {quantize}, to which what is trained belongs" if quantize != "none" else ""
    best = "none was made" if position.best is None else f"{position.best:.4f} at step {position.best_step}"
    return f"""# A chest X-ray report generator (MRG-LLM, {config.prompts.variant} prompts)

**Research use only, not a medical device.** What it writes is a draft by software.

Trained with mrg-llm {versions()["mrg-llm"]} on {data["source"]} ({data["train"]} studies; data SHA-256
{data["sha256"][:16]}...). The licence of the training data applies to these weights.

- Frozen language model: {config.language.source}, weights SHA-256 {config.language.weights_sha256}{held}{adapters}
- Vision encoder: {config.vision.source} at {config.vision.side_px} px
- Best validation value of the selection metric: {best}

| trained part | parameters |
|---|---|
{parts}

Load it: `from mrg_llm import load; load("{out}").report(["front.dcm", "lateral.dcm"])`.
Check it: `mrg check {out}`.
"""
