"""Does the model look? Its reports for films that are not the study's: swapped between studies, and blank; and for
the right films with the prompts of others.

In: the run that wrote predictions, and the scored studies. Out: its outputs for other films, to be scored as controls.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from mrg_llm import runs
from mrg_llm.errors import InputError
from mrg_llm.model.greedy import Look
from mrg_llm.model.modeling import with_prompts_of
from mrg_llm.model.processing import Reporter, sound_views
from mrg_llm.scoring import Output, Outputs, outputs
from mrg_llm.settings import DecodeSettings
from mrg_llm.studies.study import Study, View

CONTROLS = ("swapped", "blank")
BLANK_PX = 64


def other_films(
    run: Path, predictions: Path, studies: Sequence[Study], progress: Callable[[int], None] = lambda done: None
) -> dict[str, Outputs]:
    """Control -> what the run writes for the same studies with swapped and with blank films.

    It decodes as the predictions were decoded, where they say how. progress: told how many of 2 N reports are written.
    Raises InputError for fewer than two studies, CheckpointError for a folder that is no run.
    """
    if len(studies) < 2:
        raise InputError("films cannot be swapped with fewer than two studies; score more of them or leave --model out")
    reporter = runs.load(run, decode=decoding_of(predictions))
    found: dict[str, Outputs] = {}
    with tempfile.TemporaryDirectory() as folder:
        blank = Path(folder) / "blank.png"
        Image.fromarray(np.zeros((BLANK_PX, BLANK_PX), np.uint8)).save(blank)
        for number, (name, shown) in enumerate(zip(CONTROLS, (swapped(studies), blanked(studies, blank)), strict=True)):
            written = reporter.reports(shown, behind(progress, number * len(studies)))
            rows = zip(studies, written, strict=True)
            found[name] = outputs(name, [Output(s.id, report.text, s.report or "") for s, report in rows])
    return found


class OtherPrompts(Reporter):
    """A reporter that looks at the right films, with the prompts that the next study's films customized.

    Raises InputError for a model whose prompts do not depend on the film, or fewer than two studies.
    """

    def __init__(self, reporter: Reporter, studies: Sequence[Study]):
        super().__init__(reporter.model, reporter.decode, f"{reporter.name}, other prompts")
        if not self.model.customizes or len(studies) < 2:
            raise InputError("another film's prompts need a model that customizes them, and two studies or more")
        self.next = {s.id: studies[(i + 1) % len(studies)] for i, s in enumerate(studies)}

    def look(self, studies: Sequence[Study], films: Sequence[np.ndarray] | None = None) -> Look:
        seen, context = super().look(studies, films)
        return with_prompts_of(seen, self.see([], [self.films_after(study) for study in studies])), context

    def films_after(self, study: Study) -> np.ndarray:
        """The films of the next study that has one that can be read. Raises InputError where no other has."""
        other = self.next[study.id]
        while other.id != study.id:
            films = sound_views(other, self.vision.side_px, self.vision.fit)[0]
            if len(films):
                return films
            other = self.next[other.id]
        raise InputError("prompts cannot be taken from another study: no other study has a film that can be read")


def behind(progress: Callable[[int], None], start: int) -> Callable[[int], None]:
    return lambda done: progress(start + done)


def swapped(studies: Sequence[Study]) -> list[Study]:
    """Every study with the films of the next one."""
    return [replace(s, views=studies[(i + 1) % len(studies)].views) for i, s in enumerate(studies)]


def blanked(studies: Sequence[Study], film: Path) -> list[Study]:
    """Every study with a black film in place of each of its own."""
    return [replace(s, views=tuple(View(film, view.projection) for view in s.views)) for s in studies]


def decoding_of(predictions: Path) -> DecodeSettings | None:
    """How our predictions.jsonl was decoded; None for anyone else's file."""
    try:
        with predictions.open(encoding="utf-8") as file:
            return DecodeSettings.model_validate(json.loads(file.readline())["decoding"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
