"""What a run can be told: one frozen table a stage, read from one TOML file and `--set key=value`.

    preset (presets/*.toml in the package, or a file of yours)  +  --set table.key=value  ->  Settings

An unknown key is an error that names the nearest known one. Every setting has one default and one sentence.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from mrg_llm.errors import CheckpointError, SettingsError
from mrg_llm.model.configuration import MRGConfig, Table

METRICS = ("loss", "clinical_f1", "bleu4", "cider", "bleu4+cider")


class DataSettings(Table):
    """What is read, and how films are varied in training."""

    max_report_tokens: int = Field(120, ge=4, description="reports are cut to this many LLM tokens for training")
    sections: Literal["findings", "impression", "findings-or-impression", "findings+impression"] = Field(
        "findings", description="what of a report is learned and written; a study without it is left out"
    )
    deidentified: Literal["keep", "unlearned", "drop", "drop-sentence"] = Field(
        "keep", description="de-identification marks (XXXX, ___) in training reports: as they are, read but not "
        "learned (what to write there is left to the LLM), taken out (then the holes are learned), or with their whole "
        "sentence; val and test keep theirs"
    )  # fmt: skip
    hide_context: float = Field(
        0.2, ge=0, le=1, description="share of training studies whose context (model.language.context) is hidden, so "
        "that the model also writes without it"
    )  # fmt: skip
    normal_share: float = Field(
        1.0, gt=0, le=1, description="share of the training studies without a finding that an epoch sees, different "
        "ones each time; most reports are normal, and a model that sees few others learns not to look"
    )  # fmt: skip
    augment: bool = Field(True, description="small shifts, rotations and changes of exposure; never a left-right flip")
    familiar_films: int = Field(
        1000, ge=0, description="training films that tell a chest film from another picture, for which 'mrg report' "
        "writes nothing; 0: it writes for any picture"
    )  # fmt: skip
    augment_copies: int = Field(
        4, ge=1, description="augmented versions of a film, where what frozen encoder layers make of them is remembered"
    )
    remember_gib: float = Field(
        4.0, ge=0, description="memory for what frozen encoder layers make of the films; what needs more is not kept"
    )


class TrainSettings(Table):
    """What all stages share."""

    seed: int = Field(0, ge=0, description="of weights, order, dropout and augmentation")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="bf16: frozen weights and encoder arithmetic in bfloat16; auto: where the machine is fast"
    )
    lr: float = Field(5e-4, gt=0, description="peak learning rate of projection, prompts, customizer and heads")
    lr_encoder: float = Field(3e-5, ge=0, description="peak learning rate of the vision encoder; 0 freezes it")
    lr_lora: float = Field(2e-4, gt=0, description="peak learning rate of LoRA adapters (model.language.lora_rank)")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's, on matrices only")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient; a larger one is scaled down to it")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of a stage's steps in which the learning rate rises")
    checkpoint_activations: bool = Field(
        False, description="keep little of what the frozen LLM computes and run it again in the backward pass: much "
        "less memory, about a third more time"
    )  # fmt: skip
    accumulate: int = Field(1, ge=1, description="batches summed into one optimizer step")
    checkpoint_every: int = Field(100, ge=1, description="steps between checkpoints")
    log_every: int = Field(5, ge=1, description="steps between lines of the journal")
    trackers: tuple[str, ...] = Field(("tensorboard",), description="accelerate's experiment trackers, by name")


class StageSettings(Table):
    """One stage of training."""

    epochs: float = Field(1.0, ge=0, description="passes over the training split; 0 leaves the stage out")
    batch: int = Field(16, ge=1, description="studies a step and process")
    lr: float | None = Field(None, gt=0, description="instead of train.lr")
    lr_encoder: float | None = Field(None, ge=0, description="instead of train.lr_encoder; 0 freezes the encoder")


class AlignGlobalSettings(StageSettings):
    """Stage 1: image against report."""

    batch: int = Field(32, ge=2, description="studies a step and process; the others are the negatives")


class AlignLocalSettings(StageSettings):
    """Stage 2: sentences against visual tokens and against customized prompts."""

    batch: int = Field(32, ge=2, description="studies a step and process; the others are the negatives")
    sentences: int = Field(128, ge=2, description="at most this many different sentences a step")
    prompt_weight: float = Field(1.0, ge=0, description="of the terms that give the customized prompts their meaning")


class GenerateSettings(StageSettings):
    """Stage 3: write the report."""

    lr_aligned: float | None = Field(
        None, gt=0, description="instead of lr for projection, customizer and heads: what alignment has trained already"
    )
    contrast_weight: float = Field(0.1, ge=0, description="weight of the contrastive terms beside the report's loss")
    finding_weight: float = Field(
        1.0, gt=0, description="what a report token weighs in sentences that claim a finding; 1: what any other weighs"
    )
    blind: float = Field(
        0.0, ge=0, lt=1, description="share of the studies of a step that are shown without their film, so that the "
        "model also knows what it would write unseen, which decode.guidance needs"
    )  # fmt: skip
    hide_words: float = Field(
        0.0, ge=0, lt=1, description="share of the report's tokens that the LLM does not read while it learns to write "
        "the next one, so that it cannot lean on language alone (word dropout, arXiv 1511.06349)"
    )  # fmt: skip
    validate_every: int = Field(0, ge=0, description="steps between validations; 0: once an epoch")
    validation_studies: int = Field(200, ge=1, description="validation reports written each time, the first N by id")
    metric: Literal["loss", "clinical_f1", "bleu4", "cider", "bleu4+cider"] = Field(
        "bleu4+cider", description="the validation metric that chooses the best checkpoint"
    )
    patience: int = Field(0, ge=0, description="stop after this many validations without a better one; 0: never")


class DecodeSettings(Table):
    """How reports are written."""

    beams: int = Field(1, ge=1, description="1: greedy")
    max_new_tokens: int = Field(120, ge=1, description="a report is cut here")
    min_new_tokens: int = Field(0, ge=0, description="no report ends before")
    length_penalty: float = Field(1.0, description="beam search: above 1 favours longer reports")
    repetition_penalty: float = Field(1.0, gt=0, description="above 1 makes words already written less likely")
    no_repeat_ngram: int = Field(0, ge=0, description="no run of this many tokens twice; 0: allowed")
    whole_words: bool = Field(
        False, description="no_repeat_ngram forbids beginnings of words alone; else it breaks words off: pneumothrombal"
    )
    guidance: float = Field(
        0.0, ge=0, description="how much further the film moves what is written than it does by itself; greedy search "
        "of a run trained with generate.blind only"
    )  # fmt: skip
    plausible: float = Field(
        0.0, ge=0, le=1, description="guidance moves only tokens with this share of the likeliest one's probability; "
        "0: all"
    )  # fmt: skip
    samples: int = Field(
        0, ge=0, le=256, description="draw this many reports and keep the one the others agree with most; 0: do not"
    )
    temperature: float = Field(0.7, gt=0, description="of the samples; below 1 they vary less")
    seed: int = Field(0, ge=0, description="of the samples")
    tidy: bool = Field(False, description="leave out what was said already, and a sentence that was cut off")
    batch: int = Field(16, ge=1, description="studies decoded together")
    weights: Literal["full", "int8"] = Field(
        "full", description="of the LLM while it writes: as published, or rounded to int8, quicker on a processor, but "
        "with other texts (docs/performance.md); greedy search only"
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_search(self) -> DecodeSettings:
        searched = self.beams > 1 or self.samples
        if self.guidance and searched:
            raise ValueError("guidance is for greedy search; set it to 0, or beams to 1 and samples to 0")
        if self.weights == "int8" and searched:
            raise ValueError("weights = int8 is for greedy search; set it to full, or beams to 1 and samples to 0")
        return self


class ConfidenceSettings(Table):
    """How sure a sentence of a draft must be; for a run that `mrg calibrate` has calibrated."""

    threshold: float = Field(0.5, ge=0, le=1, description="a sentence whose confidence is lower is uncertain")
    below: Literal["mark", "drop", "none"] = Field(
        "mark", description="what becomes of an uncertain sentence: marked, left out, or nothing"
    )
    samples: int = Field(
        0, ge=0, le=64, description="calibrate with the agreement of this many sampled reports, which every later "
        "report draws too; 0: token probabilities alone"
    )  # fmt: skip
    temperature: float = Field(0.7, gt=0, description="of these samples")
    seed: int = Field(0, ge=0, description="of these samples")


class Settings(Table):
    """A whole run."""

    data: DataSettings = DataSettings()
    model: MRGConfig = MRGConfig()
    train: TrainSettings = TrainSettings()
    align_global: AlignGlobalSettings = AlignGlobalSettings()
    align_local: AlignLocalSettings = AlignLocalSettings()
    generate: GenerateSettings = GenerateSettings()
    decode: DecodeSettings = DecodeSettings()
    confidence: ConfidenceSettings = ConfidenceSettings()


def load_settings(preset: str, changes: Sequence[str] = ()) -> Settings:
    """A preset's name or a TOML file, with `table.key=value` changes on top.

    Raises SettingsError naming the nearest known key, or the value that a setting cannot have.
    """
    values = read_preset(preset)
    for change in changes:
        apply_change(values, change)
    return validated(values)


def refuse_clashes(settings: Settings) -> None:
    """What one table asks for and another rules out. Raises SettingsError."""
    language, decode = settings.model.language, settings.decode
    if not any((settings.align_global.epochs, settings.align_local.epochs, settings.generate.epochs)):
        raise SettingsError(
            "align_global.epochs, align_local.epochs and generate.epochs are all 0, so nothing would be trained; set "
            "one above 0"
        )
    if decode.guidance and not settings.generate.blind:
        raise SettingsError(
            f"decode.guidance is {decode.guidance:g}, but generate.blind is 0, so the model never learns what it would "
            "write unseen; set decode.guidance=0, or train with generate.blind=0.1"
        )
    if decode.weights == "int8" and (language.lora_rank or language.quantize != "none"):
        held = f"is held in {language.quantize}" if language.quantize != "none" else "has LoRA adapters"
        raise SettingsError(
            f"decode.weights is int8, but the language model {held}, and plain matrices alone are rounded; set "
            "decode.weights=full"
        )


def read_settings(path: Path) -> Settings:
    """settings.json of a run; what an older run does not say has its default. Raises CheckpointError."""
    try:
        return Settings.model_validate_json(path.read_text())
    except ValueError as error:
        reason = " ".join(str(error).split("\n")[:2])
        raise CheckpointError(f"{path} is damaged or from another version of mrg-llm: {reason}") from error


def only(settings: Settings, *stages: str) -> Settings:
    """The same settings with the other stages left out."""
    left_out = {"align_global", "align_local", "generate"} - set(stages)
    changed = {name: getattr(settings, name).model_copy(update={"epochs": 0.0}) for name in left_out}
    return settings.model_copy(update=changed)


def changed_decoding(decode: DecodeSettings, changes: Sequence[str]) -> DecodeSettings:
    """Decoding settings with `key=value` changes on top ("beams=3" or "decode.beams=3")."""
    return changed(Settings(decode=decode), "decode", changes).decode


def changed_confidence(confidence: ConfidenceSettings, changes: Sequence[str]) -> ConfidenceSettings:
    """The same of how sure a sentence must be ("threshold=0.3" or "confidence.threshold=0.3")."""
    return changed(Settings(confidence=confidence), "confidence", changes).confidence


def changed(settings: Settings, table: str, changes: Sequence[str]) -> Settings:
    """Settings with changes on top, all of them in one table, whose name may be left out."""
    values: dict[str, Any] = {table: getattr(settings, table).model_dump()}
    for change in changes:
        apply_change(values, change if change.startswith(f"{table}.") else f"{table}.{change}")
    return validated(values)


def preset_names() -> list[str]:
    """The presets in the package."""
    folder = resources.files("mrg_llm") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def known_keys(table: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every setting as (dotted key, sentence, default)."""
    for name, field in table.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or "", field.default


def read_preset(preset: str) -> dict[str, Any]:
    if preset in preset_names():
        values = read_toml(resources.files("mrg_llm") / "presets" / f"{preset}.toml", preset)
    elif Path(preset).is_file():
        values = read_toml(Path(preset), preset)
    else:
        raise SettingsError(f"no preset and no file is called {preset}; presets: {', '.join(preset_names())}")
    for name, table in Settings.model_fields.items():
        if name in values and not isinstance(values[name], dict):
            raise SettingsError(
                f"{preset}: {name} is {values[name]!r}, but must be a table: [{name}] with settings below, as {name}."
                f"{next(iter(table.annotation.model_fields))}"  # type: ignore[union-attr]
            )
    return values


def read_toml(file: Traversable, where: str) -> dict[str, Any]:
    """The tables of a TOML file, of the package or of the user. Raises SettingsError, which calls it `where`."""
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"{where} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where} is not TOML in UTF-8: {error}") from error


def apply_change(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise SettingsError(f"--set {change} was given, but it must read key=value, for example train.lr=0.001")
    refuse_unknown([key.strip()])
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *tables, name = key.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
    values[name] = value


def validated(values: dict[str, Any]) -> Settings:
    refuse_unknown([key for key, _ in dotted(values)])
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key, why = ".".join(str(part) for part in first["loc"]), first["msg"].lower().removeprefix("value error, ")
        given = "" if isinstance(first["input"], dict) else f" is {first['input']!r}"  # a whole table says nothing
        raise SettingsError(f"{key}{given}: {why}") from error


def refuse_unknown(keys: Sequence[str]) -> None:
    known = [key for key, _, _ in known_keys()]
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise SettingsError(
                f"there is no setting {key}; the nearest is {near[0]} ('mrg train --settings' lists all)"
            )


def dotted(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested tables -> (dotted key, value)."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
