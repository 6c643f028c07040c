"""What is made of the studies before the first step: films decoded, what the encoder's frozen layers make of them, and
what the frozen LLM makes of the reports. None of it changes in training, so runs on the same studies can share it.

In: settings, a StudySet, the model. Out: `Prepared`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from mrg_llm.errors import DataError
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.modeling import MRGModel
from mrg_llm.progress import counting_bar, stages_bar
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training.data import SplitData, TextBank
from mrg_llm.training.memory import remember_films
from mrg_llm.training.stages import needs_texts


@dataclass(frozen=True)
class Prepared:
    """The two splits that training sees, and the texts of each (None where no stage compares images with texts, or
    there is no validation study). unread: ids of studies that were left out, for no film of theirs can be read."""

    train: SplitData
    val: SplitData
    train_bank: TextBank | None
    val_bank: TextBank | None
    unread: tuple[str, ...]


class Newest:
    """The newest of what was made, under all that it depends on: older ones would be gigabytes."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self.made:
            self.made.clear()  # before the new one takes as much memory
            self.made[key] = make()
        return self.made[key]


class Sharing(Newest):
    """Keeps what was prepared for one run, and lends it to the next where all that it depends on is the same. texts:
    the two TextBanks; runs of several seeds share them, for no film is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = Newest()


def prepare(
    settings: Settings, studies: StudySet, model: MRGModel, console: Console | None = None,
    sharing: Sharing | None = None,
) -> Prepared:  # fmt: skip
    """Prepare a run, or take what `sharing` has. Raises DataError where nothing can be learned from these studies."""
    sharing = sharing or Sharing()
    anew = partial(prepare_anew, settings, studies, model, console, sharing.texts)
    return sharing.once(what_it_depends_on(settings, studies, model), anew)


def prepare_anew(
    settings: Settings, studies: StudySet, model: MRGModel, console: Console | None, texts: Newest
) -> Prepared:
    train, val = split_data(studies, model.language, settings)
    unread = read_films(train, val, console)
    banks: tuple[TextBank | None, TextBank | None] = (None, None)
    if needs_texts(settings):
        read = partial(read_texts, settings, train, val, model, console)
        banks = texts.once(what_texts_depend_on(settings, studies, model), read)
    remember(settings, train, val, model, console)
    return Prepared(train, val, *banks, tuple(unread))


def read_texts(
    settings: Settings, train: SplitData, val: SplitData, model: MRGModel, console: Console | None
) -> tuple[TextBank | None, TextBank | None]:
    """What the frozen LLM makes of the reports of both splits; None of a split without studies."""
    layers = settings.model.alignment.text_layers
    banks: list[TextBank | None] = []
    with stages_bar(console) as told:
        for name, data in (("training", train), ("validation", val)):
            say = partial(told, f"reading the {name} reports")
            banks.append(TextBank.build(data.studies, model.language, layers, say) if len(data) else None)
    return banks[0], banks[1]


def what_it_depends_on(settings: Settings, studies: StudySet, model: MRGModel) -> str:
    """Everything that a preparation is a function of, as text."""
    parts = {
        "texts": [needs_texts(settings), what_texts_depend_on(settings, studies, model)],
        "vision": settings.model.vision.model_dump(mode="json"),
        "seed": settings.train.seed,
        "finding_weight": settings.generate.finding_weight,
        "bf16": model.vision.autocast_bf16,
    }
    return json.dumps(parts, sort_keys=True)


def what_texts_depend_on(settings: Settings, studies: StudySet, model: MRGModel) -> str:
    """Everything that the two TextBanks are a function of, as text: which studies have a film that can be read, too."""
    parts = {
        "studies": studies.fingerprint,
        "data": settings.data.model_dump(mode="json"),
        "square": [settings.model.vision.side_px, settings.model.vision.fit],
        # Adapters start at zero and texts are read before they move: what is made of these does not depend on them.
        "language": settings.model.language.model_dump(mode="json", exclude={"lora_rank"}),
        "text_layers": settings.model.alignment.text_layers,
        "bf16": str(model.language.dtype),
    }
    return json.dumps(parts, sort_keys=True)


def split_data(studies: StudySet, language: FrozenLanguageModel, settings: Settings) -> tuple[SplitData, SplitData]:
    """The training and validation studies that have a report. Raises DataError where there is none to learn from."""
    train_studies = [s for s in studies.split("train") if (s.report or "").strip()]
    if not train_studies:
        raise DataError(f"{studies.source} has no study with a report in its training split; nothing can be learned")
    val_studies = [s for s in studies.split("val") if (s.report or "").strip()]
    return (
        SplitData(train_studies, language.tokenizer, settings, augmented=True),
        SplitData(val_studies, language.tokenizer, settings, augmented=False),
    )


def read_films(train: SplitData, val: SplitData, console: Console | None) -> list[str]:
    """Decode all films; the ids of studies that are left out for having none that can be read."""
    first = len(train)
    with counting_bar("reading films", first + len(val), console) as advance:
        return [*train.read_films(advance), *val.read_films(lambda done: advance(first + done))]


def remember(settings: Settings, train: SplitData, val: SplitData, model: MRGModel, console: Console | None) -> None:
    """Compute once what never changes: what the encoder's frozen layers make of the films."""
    chosen = settings.data
    copies = chosen.augment_copies if train.augmented else 1
    total = copies * len(train) + len(val)
    if not model.vision.remembers or chosen.remember_gib == 0:
        return
    with evaluating(model), counting_bar("looking at every film once", total, console) as advance:
        remember_films(model, train, copies, chosen.remember_gib, advance)
        remember_films(model, val, 1, chosen.remember_gib, lambda done: advance(total - len(val) + done))


@contextmanager
def evaluating(model: MRGModel) -> Iterator[None]:
    """Evaluation mode and fused attention for the time of a validation."""
    model.eval()
    prepared = model.language.model.config._attn_implementation
    model.language.model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        model.language.model.set_attn_implementation(prepared)
        model.train()
