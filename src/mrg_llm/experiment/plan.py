"""What an experiment is: a TOML file -> arms, each a preset with a few settings changed, and the settings of every
(arm, seed), alignment and stage 3 apart.

An arm starts from an alignment (stages 1 and 2) that is trained once for all arms of a seed whose alignment would be
the same, or from another arm's, where `aligned` names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from mrg_llm.errors import SettingsError
from mrg_llm.model.configuration import Table
from mrg_llm.model.prompts import CUSTOMIZED
from mrg_llm.scoring import protocol
from mrg_llm.scoring.baselines import CONSTANT, NEAREST, RANDOM
from mrg_llm.scoring.scoreboard import LABELS
from mrg_llm.settings import DataSettings, Settings, load_settings, only, read_toml

RANKING = ("loss", "image_worth", "prompt_worth", *LABELS)
NAME = r"^[a-z0-9][a-z0-9.-]*$"


class Arm(Table):
    """One way of doing it."""

    name: str = Field(pattern=NAME, description="of its folder and its row")
    what: str = Field(description="what it is, for the table")
    set: tuple[str, ...] = Field((), description="settings changed, as of mrg train --set")
    aligned: bool | str = Field(
        True, description="false: no stages 1 and 2; the name of an arm: start from that arm's alignment, as far as it "
        "fits; true: its own, shared with every arm whose alignment is the same"
    )  # fmt: skip
    best: int = Field(0, ge=0, description="this arm is the best (1), second best (2) ... of `among`, changed by `set`")
    among: tuple[str, ...] = Field((), description="see best; they are ranked once all of them are done")
    of: str = Field("", description="trains nothing: what that arm's model does with other films or prompts")
    shown: Literal["right", "swapped", "other-prompts"] = Field(
        "right", description="with `of`: the next study's films, or the right films with the next study's prompts"
    )


class Experiment(Table):
    """A file in presets/experiments, or one of yours."""

    name: str = Field(pattern=NAME)
    what: str = Field(description="the question, in a sentence")
    preset: str = Field(description="the settings that all arms share: a preset's name or a TOML file")
    set: tuple[str, ...] = Field((), description="settings changed for all arms, decoding included")
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    references: tuple[str, ...] = Field(description="other arms are tested against each of these")
    protocols: tuple[str, ...] = Field(("full",), min_length=1, description="of the n-gram scores; the first leads")
    choose: str = Field("loss", description="the validation figure that ranks arms for `best`; 'loss': the lowest wins")
    keep: tuple[str, ...] = Field((), description="only these of the arms, for a file that is like another; empty: all")
    arm: tuple[Arm, ...] = Field(min_length=1)

    def named(self, name: str) -> Arm:
        return next(arm for arm in self.arm if arm.name == name)


@dataclass(frozen=True)
class Planned:
    """An experiment with the changes of the command line, which go to all arms, and the arms that `best` stands for
    (arm -> arm), as far as they are chosen."""

    experiment: Experiment
    changes: tuple[str, ...] = ()
    chosen: tuple[tuple[str, str], ...] = ()

    @property
    def trained(self) -> list[Arm]:
        return [arm for arm in self.experiment.arm if not arm.of]

    @property
    def reading(self) -> DataSettings:
        """How the data set is read, for all arms alike."""
        return self.settings(self.trained[0], self.experiment.seeds[0]).data

    def waits_for(self, arm: Arm) -> tuple[str, ...]:
        """The arms that have to be done before anyone knows what this one is."""
        return arm.among if arm.best and arm.name not in dict(self.chosen) else ()

    def settings(self, arm: Arm, seed: int) -> Settings:
        """Everything of one (arm, seed); raises SettingsError as load_settings does."""
        changed = dict(self.chosen).get(arm.name)
        own = (*self.experiment.named(changed).set, *arm.set) if changed else arm.set
        shared = (*self.experiment.set, *self.changes)
        return load_settings(self.experiment.preset, [*shared, *own, f"train.seed={seed}"])

    def generation(self, arm: Arm, seed: int) -> Settings:
        """Stage 3 alone."""
        return only(self.settings(arm, seed), "generate")

    def alignment(self, arm: Arm, seed: int) -> Settings | None:
        """Stages 1 and 2 of this arm without what they do not depend on, so that arms can share them; None without."""
        if arm.aligned is False:
            return None
        if isinstance(arm.aligned, str):
            return self.alignment(self.experiment.named(arm.aligned).model_copy(update={"aligned": True}), seed)
        own = only(self.settings(arm, seed), "align_global", "align_local")
        if own.align_global.epochs == own.align_local.epochs == 0:
            return None
        base = load_settings(self.experiment.preset, [*self.experiment.set, *self.changes, f"train.seed={seed}"])
        model = own.model.model_copy(update={"language": own.model.language.model_copy(update={"lora_rank": 0})})
        if own.model.prompts.variant not in CUSTOMIZED:  # prompts that are not customized take no part
            prompts = base.model.prompts.model_copy(update={"variant": "static"})
            projection = own.model.projection.model_copy(update={"pooled": False})
            model = model.model_copy(update={"prompts": prompts, "projection": projection})
        last = {name: getattr(only(base), name) for name in ("generate", "decode", "confidence")}
        train = own.train.model_copy(update={"lr_lora": base.train.lr_lora})  # adapters do not move yet
        return own.model_copy(update={"model": model, "train": train, **last})

    def alignments(self, seed: int) -> dict[str, Settings]:
        """The different alignments of a seed, each under the name of the first arm that starts from it."""
        found: dict[str, Settings] = {}
        for arm in self.trained:
            settings = None if self.waits_for(arm) else self.alignment(arm, seed)
            if settings is not None and settings not in found.values():
                found[arm.aligned if isinstance(arm.aligned, str) else arm.name] = settings
        return found

    def start_of(self, arm: Arm, seed: int) -> str | None:
        """The name under which this arm's alignment is trained; None where it starts anew."""
        settings = self.alignment(arm, seed)
        return next((name for name, other in self.alignments(seed).items() if other == settings), None)


def experiment_names() -> list[str]:
    """The experiments in the package."""
    return sorted(p.name.removesuffix(".toml") for p in folder().iterdir() if p.name.endswith(".toml"))


def folder():
    return resources.files("mrg_llm") / "presets" / "experiments"


def load_experiment(name: str, changes: Sequence[str] = ()) -> Planned:
    """An experiment by name or file, checked through: every arm has settings that can be had.

    Raises SettingsError in one sentence.
    """
    try:
        experiment = Experiment.model_validate(read(name))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{name}: {where}: {first['msg'].lower()}") from error
    refuse_unknown(experiment, name)
    if experiment.keep:
        experiment = experiment.model_copy(
            update={"arm": tuple(a for a in experiment.arm if a.name in experiment.keep)}
        )
        refuse_unknown(experiment, name)
    planned = Planned(experiment, tuple(changes))
    for arm in planned.trained:
        try:
            own = planned.settings(arm, experiment.seeds[0]).data
        except SettingsError as error:
            raise SettingsError(
                f"{name}: the arm {arm.name}: {error}; or leave it out: keep = [the others] in a file like {name}"
            ) from error
        if (own.sections, own.deidentified) != (planned.reading.sections, planned.reading.deidentified):
            raise SettingsError(
                f"{name}: the arm {arm.name} reads other reports than the first; arms share their studies"
            )
    return planned


def read(name: str, likenesses: tuple[str, ...] = ()) -> dict[str, Any]:
    """The content of the file. One that is `like` another is that one but for what it says itself."""
    if name in experiment_names():
        values = read_toml(folder() / f"{name}.toml", name)
    elif Path(name).is_file():
        values = read_toml(Path(name), name)
    else:
        raise SettingsError(f"no experiment and no file is called {name}; experiments: {', '.join(experiment_names())}")
    like = values.pop("like", None)
    if like is None:
        return values
    if like in likenesses or not isinstance(like, str):
        raise SettingsError(f"{name}: like = {like!r} must name another experiment, which is not like this one")
    return {**read(like, (*likenesses, name)), **values}


def refuse_unknown(experiment: Experiment, where: str) -> None:
    """Every arm that is named has to be there, once, and what it says has to fit together."""
    names = [arm.name for arm in experiment.arm]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise SettingsError(f"{where}: several arms are called {twice[0]}; each needs a name of its own")
    if taken := [n for n in names if n in (CONSTANT, RANDOM, NEAREST)]:
        raise SettingsError(f"{where}: an arm is called {taken[0]}, and so is a baseline; give it another name")
    trained = [arm.name for arm in experiment.arm if not arm.of]
    meant = [*experiment.references]
    if unknown := [n for n in experiment.keep if n not in names]:
        raise SettingsError(f"{where} keeps the arm {unknown[0]}, but has none of that name ({', '.join(names)})")
    for arm in experiment.arm:
        meant += [*arm.among, *([arm.aligned] if isinstance(arm.aligned, str) else []), *([arm.of] if arm.of else [])]
        if (arm.best > 0) != bool(arm.among) or arm.best > len(arm.among):
            raise SettingsError(f"{where}: {arm.name} needs best = N and among = [at least N arms] together")
        if bool(arm.of) != (arm.shown != "right"):
            raise SettingsError(f"{where}: {arm.name} needs of = ARM and shown = swapped or other-prompts together")
    for name in meant:
        if name not in trained or (experiment.named(name).best and name not in experiment.references):
            raise SettingsError(f"{where} names the arm {name}, but trains none of that name ({', '.join(trained)})")
    for name in experiment.protocols:
        protocol(name)
    if experiment.choose not in RANKING:
        raise SettingsError(
            f"{where}: choose = {experiment.choose!r} is no figure that arms have; there are {', '.join(RANKING)}"
        )
