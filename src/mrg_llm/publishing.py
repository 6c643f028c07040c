"""A finished run -> the starter model's folder: what was trained, in bfloat16, with a model card, a licence and hashes.

In: a run on IU X-ray with the default encoder and LLM. Out: a folder that `mrg report` loads like any run, whole or not
at all. Where studies are given it writes their reports twice, from the run's own weights and from the folder's, and the
card says how many differ. `scripts/publish_starter.py` is the command.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrg_llm import runs
from mrg_llm.errors import InputError
from mrg_llm.model.confidence import CALIBRATION_FILE
from mrg_llm.model.configuration import packages
from mrg_llm.model.familiarity import Familiarity
from mrg_llm.model.modeling import CONFIG_FILE, WEIGHTS_FILE, MRGModel
from mrg_llm.model.processing import Reporter
from mrg_llm.model.wheels import WHEEL_MODELS
from mrg_llm.scoring.quick import quick_scores
from mrg_llm.settings import DecodeSettings
from mrg_llm.starter_card import LICENCE, Evidence, Rounding, starter_card
from mrg_llm.studies.study import Study
from mrg_llm.training.checkpoint import write_folder
from mrg_llm.training.publish import CARD_FILE, DATA_FILE, FAMILIAR_FILE, SETTINGS_FILE

LARGEST_BYTES = 60 * 10**6
KIND = "iu-xray"  # what card and licence speak of
COMPARED = ("bleu4", "cider", "clinical_f1")


@dataclass(frozen=True)
class Published:
    """Where the folder is, its bytes, and what rounding the weights changed (None: nobody looked)."""

    folder: Path
    size: int
    rounding: Rounding | None


def publish_starter(
    run: Path, out: Path, evidence: Evidence, *, validation: Sequence[Study] = (),
    familiarity: Familiarity | None = None, decode: DecodeSettings | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Published:  # fmt: skip
    """Write the starter's folder from a run's; what was in `out` before is replaced.

    validation: studies with reports, on which the rounded weights are compared with the run's; progress: told how many
    of 2 N reports are written. familiarity: for a run that does not know what a chest film looks like. decode: how the
    starter writes, where that is not how the run was trained to. Raises InputError for a run that cannot be a starter,
    CheckpointError for one that is damaged.
    """
    reporter = runs.load(run, decode=decode)
    data = json.loads((run / DATA_FILE).read_text())
    refuse_others(run, reporter, data["source"])
    files = {CONFIG_FILE: (run / CONFIG_FILE).read_bytes(), SETTINGS_FILE: decoding_as(run, reporter.decode)}
    files[WEIGHTS_FILE] = rounded_weights(reporter.model)
    files[DATA_FILE] = json.dumps(public(data), indent=1).encode()
    files[FAMILIAR_FILE] = known_films(run, familiarity)
    settings = runs.saved_settings(run)
    same = reporter.decode == settings.decode  # how sure other texts were says nothing of these
    if same and (run / CALIBRATION_FILE).is_file():
        files[CALIBRATION_FILE] = (run / CALIBRATION_FILE).read_bytes()
    rounding = compared(reporter, files, validation, progress) if validation else None
    parts = reporter.model.parts()
    card = starter_card(reporter.model.config, parts, public(data), evidence, rounding, settings.data.deidentified)
    files[CARD_FILE] = card.encode()
    files["LICENSE"] = LICENCE.encode()
    size = sum(map(len, files.values()))
    if size > LARGEST_BYTES:
        raise InputError(
            f"{run} makes a starter of {size / 1e6:.0f} MB, and {LARGEST_BYTES / 1e6:.0f} MB are allowed; train fewer "
            "layers of the encoder, or a narrower customizer"
        )
    write_folder(out, files)
    return Published(out, size, rounding)


def refuse_others(run: Path, reporter: Reporter, source: str) -> None:
    """A starter runs wherever the package is installed, and its card and licence are true of it."""
    config = reporter.model.config
    for kind, name in (("encoder", config.vision.source), ("language model", config.language.source)):
        if name not in WHEEL_MODELS:
            raise InputError(
                f"{run} needs the {kind} {name}, which does not come with mrg-llm; a starter is trained with the "
                f"default models ({', '.join(WHEEL_MODELS)})"
            )
    for package, extra in packages(config):
        raise InputError(
            f"{run} needs {package}, which comes with the extra {extra} alone; a starter is trained without LoRA "
            "adapters on an LLM that is not quantized"
        )
    if reporter.decode.weights == "int8":
        raise InputError(f"{run} writes with int8 weights, which takes an x86 processor; give --set weights=full")
    if source.partition(":")[0] != KIND:
        raise InputError(f"{run} was trained on {source}; the starter's card and licence are those of {KIND}")


def public(data: Mapping) -> dict:
    """What is told of the training data: how many studies, in which splits; no path and no study."""
    kept = {name: data[name] for name in ("sha256", "split_by", "train", "val", "test") if name in data}
    return {"source": KIND, **kept, "notes": []}


def decoding_as(run: Path, decode: DecodeSettings) -> bytes:
    """settings.json of the run, with this decoding."""
    settings = json.loads((run / SETTINGS_FILE).read_text())
    return json.dumps(settings | {"decode": decode.model_dump(mode="json")}, indent=1).encode()


def rounded_weights(model: MRGModel) -> bytes:
    """model.safetensors with trained weights in bfloat16; the small buffers beside them stay as they are."""
    import torch
    from safetensors.torch import save

    trained = model.trained_parameters()
    state = model.trained_state()
    return save({n: (t.to(torch.bfloat16) if n in trained else t).contiguous() for n, t in state.items()})


def known_films(run: Path, found: Familiarity | None) -> bytes:
    """familiarity.safetensors: the run's own, or what was fitted for it."""
    if knows_films(run):
        return (run / FAMILIAR_FILE).read_bytes()
    if found is None:
        raise InputError(
            f"{run} has no {FAMILIAR_FILE}, and a starter must know a chest film from other pictures; give its "
            "training data with --data, then it is fitted now"
        )
    return found.to_bytes()


def knows_films(run: Path) -> bool:
    """Whether the run itself learned what a chest film looks like."""
    return (run / FAMILIAR_FILE).is_file()


def compared(
    reporter: Reporter, files: Mapping[str, bytes], studies: Sequence[Study], progress: Callable[[int], None]
) -> Rounding:
    """The reports of the run and those of the folder to be, read back from a disk as users will."""
    own = written(reporter, studies, progress)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "starter"
        write_folder(folder, files)
        rounded = written(runs.load(folder), studies, lambda done: progress(len(studies) + done))
    references = [study.report or "" for study in studies]
    before, after = chosen(own, references), chosen(rounded, references)
    scores = {name: (before[name], after[name]) for name in COMPARED}
    return Rounding(len(studies), sum(a != b for a, b in zip(own, rounded, strict=True)), scores)


def written(reporter: Reporter, studies: Sequence[Study], progress: Callable[[int], None]) -> list[str]:
    return [report.text for report in reporter.reports(studies, progress)]


def chosen(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    values = quick_scores(texts, references)
    return {name: values[name] for name in COMPARED}
