"""The user's one door: files in, reports out.

    from mrg_llm import load
    load("RUN").report(["front.dcm", "lateral.dcm"])

Also the one place where studies become model inputs: training, validation and generation use the same functions.
Legend: B batch, W views.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mrg_llm.errors import ImageError, SettingsError, UnfamiliarError
from mrg_llm.films import read_view, refuse_other_squares
from mrg_llm.images import Film
from mrg_llm.images.gathering import gather
from mrg_llm.images.pixels import to_square_uint8
from mrg_llm.images.sandbox import read_film_untrusted
from mrg_llm.model.configuration import VisionConfig
from mrg_llm.model.context import context_words
from mrg_llm.model.decoding import Draft, Told, write_many, write_reports
from mrg_llm.model.greedy import Look
from mrg_llm.model.modeling import MRGModel, Seen
from mrg_llm.settings import ConfidenceSettings, DecodeSettings
from mrg_llm.studies.batches import stack_views
from mrg_llm.studies.study import Study

if TYPE_CHECKING:
    from mrg_llm.model.confidence import Calibration
    from mrg_llm.model.familiarity import Familiarity

NOT_A_DEVICE = "Draft by software. Research use only, not a medical device."


@dataclass(frozen=True)
class StudyReport:
    """What was written for one study. seconds: its share of its company's time. problems: films that could not be read,
    a sentence each; a study without any film that can be read gets an empty text."""

    id: str
    text: str
    views: int
    tokens: int
    ended: bool
    seconds: float
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """The films of one study as they were given and as the model sees them. names: how a message calls each.

    films: as read. squares: (W, side, side) uint8."""

    names: tuple[str, ...]
    films: tuple[Film, ...]
    squares: np.ndarray


class Reporter:
    """A trained model and how it decodes: what `load` returns. familiarity, calibration: where the run has them.
    confidence: what becomes of sentences that are not sure."""

    def __init__(
        self, model: MRGModel, decode: DecodeSettings, name: str, familiarity: Familiarity | None = None,
        calibration: Calibration | None = None, confidence: ConfidenceSettings | None = None,
    ):  # fmt: skip
        self.model, self.decode, self.name, self.familiarity = model.eval(), decode, name, familiarity
        self.calibration, self.confidence = calibration, confidence or ConfidenceSettings()

    def report(
        self, films: Sequence[str | Path | bytes] | str | Path | bytes, *, indication: str | None = None,
        prior: str | None = None, anyway: bool = False,
    ) -> str:  # fmt: skip
        """The draft report of one study, given the files of its views (DICOM, PNG or JPEG; paths or contents), or the
        folder, zip or DICOMDIR that holds them.

        indication, prior: why the films were taken, and the patient's earlier report, for a model that was trained to
        be told them (`model.language.context`). Raises ImageError for a file that is not a film, SettingsError for a
        context that the model was not trained with, UnfamiliarError for a picture unlike the films it was trained on,
        unless it is to be written for `anyway`.
        """
        study = self.asked(indication=indication, prior=prior)
        return self.drafts([study], [self.shown(films, anyway=anyway)])[0].text

    def asked(self, *, indication: str | None = None, prior: str | None = None) -> Study:
        """A study of which only the context is known. Raises SettingsError for one that the model would not read."""
        self.refuse_unread(indication=indication, prior=prior)
        return Study(id="study", split=None, views=(), indication=indication, prior_report=prior)

    def shown(self, films: Sequence[str | Path | bytes] | str | Path | bytes, *, anyway: bool = False) -> Shown:
        """The films of one study, read and brought to the model's size; errors as of `report`."""
        found = gather([films] if isinstance(films, (str, Path, bytes)) else list(films))
        names = tuple(film.name for film in found)
        read = tuple(read_film_untrusted(film.source, name=film.name) for film in found)
        if not anyway:
            self.refuse_strangers(names, read)
        squares = np.stack([to_square_uint8(film, self.vision.side_px, self.vision.fit) for film in read])
        return Shown(names, read, squares)

    def drafts(self, studies: Sequence[Study], shown: Sequence[Shown], told: Told | None = None) -> list[Draft]:
        """A draft of each study of one batch. told: called after every step of greedy search with a study's place in
        the batch and its text so far."""
        return self.write(studies, [films.squares for films in shown], told)

    def reports(
        self, studies: Sequence[Study], progress: Callable[[int], None] = lambda done: None
    ) -> Iterator[StudyReport]:
        """A report for each study, in order; `progress` is told how many are done. The films of a batch are read when
        there is room to write for one of them."""
        refuse_other_squares(studies, self.vision.side_px, self.vision.fit)
        read: list[tuple[Study, int, tuple[str, ...], float]] = []  # study, films, problems, seconds of looking

        def looks() -> Iterator[Look]:
            for start in range(0, len(studies), self.decode.batch):
                part, begun = studies[start : start + self.decode.batch], time.perf_counter()
                sound = [sound_views(study, self.vision.side_px, self.vision.fit) for study in part]
                shown = [(study, films) for study, (films, _) in zip(part, sound, strict=True) if len(films)]
                look = self.look(*zip(*shown, strict=True)) if shown else None
                seconds = (time.perf_counter() - begun) / len(part)
                read.extend((s, len(films), why, seconds) for s, (films, why) in zip(part, sound, strict=True))
                if look:
                    yield look

        def report(draft: Draft) -> StudyReport:
            study, films, problems, seconds = read[done]
            progress(done + 1)
            return StudyReport(
                study.id, draft.text, films, draft.tokens, draft.ended, seconds + draft.seconds, problems
            )

        done, nothing = 0, Draft("", 0, False)
        for draft in write_many(self.model, looks(), self.decode):
            while read[done][1] == 0:
                yield report(nothing)
                done += 1
            yield report(draft)
            done += 1
        while done < len(read):
            yield report(nothing)
            done += 1

    @property
    def vision(self) -> VisionConfig:
        return self.model.config.vision

    def write(
        self, studies: Sequence[Study], films: Sequence[np.ndarray] | None = None, told: Told | None = None
    ) -> list[Draft]:
        """Drafts of one batch. films: of each study (W, side, side) where they have been read already."""
        seen, context = self.look(studies, films)
        return write_reports(self.model, seen, self.decode, context, told)

    def look(self, studies: Sequence[Study], films: Sequence[np.ndarray] | None = None) -> Look:
        """What is seen of these studies, and what was known of them."""
        seen = self.see(studies, films)
        language, config = self.model.language, self.model.config.language
        return seen, context_words(language.tokenizer, studies, config, seen.visual.device)

    def refuse_strangers(self, names: Sequence[str], films: Sequence[Film]) -> None:
        """Raises UnfamiliarError for a picture that is unlike the films of the training, or a film that has to be
        put right first."""
        if self.familiarity is None:
            return
        for name, judged in zip(names, self.familiarity.judged(films), strict=True):
            if judged.posture != "upright":
                raise UnfamiliarError(
                    f"{name} looks like a chest film that is {judged.posture}, so no report is written; put it right, "
                    "or say --anyway"
                )
            if judged.distance > 1:
                raise UnfamiliarError(
                    f"{name} is not like the chest films that {self.name} was trained on (it lies "
                    f"{judged.distance:.1f} times as far from them as the limit), so no report is written; give an "
                    "upright chest film, or say --anyway"
                )

    def refuse_unread(self, **context: str | None) -> None:
        """Raises SettingsError for words that this model would not read."""
        for name, text in context.items():
            if text and name not in self.model.config.language.context:
                raise SettingsError(
                    f"{self.name} was trained without the {name}, so it cannot be told one; leave it out, or train "
                    f"with --set 'model.language.context=[\"{name}\"]'"
                )

    @torch.inference_mode()
    def see(self, studies: Sequence[Study], films: Sequence[np.ndarray] | None = None) -> Seen:
        """What the encoder makes of these studies' films."""
        if films is None:
            refuse_other_squares(studies, self.vision.side_px, self.vision.fit)
            films = [read_views(study, self.vision.side_px, self.vision.fit) for study in studies]
        return self.model.see(*to_model(stack_views(films), self.model.vision.mean.device))


def read_views(study: Study, side_px: int, fit: str) -> np.ndarray:
    """A study's films as 8-bit squares, (W, side, side). Raises ImageError for the first that cannot be read."""
    return np.stack([read_view(view, side_px, fit) for view in study.views])


def sound_views(study: Study, side_px: int, fit: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The films of a study that can be read, (W, side, side), W = 0 if there is none; and a sentence for each other."""
    films, problems = [], []
    for view in study.views:
        try:
            films.append(read_view(view, side_px, fit))
        except ImageError as error:
            problems.append(str(error))
    return np.stack(films) if films else np.zeros((0, side_px, side_px), np.uint8), tuple(problems)


def to_model(stack: tuple[np.ndarray, np.ndarray], device) -> tuple[Tensor, Tensor]:
    """8-bit films and their mask as the model takes them: float 0..1 and bool, on its device."""
    films, views = (torch.from_numpy(a).to(device) for a in stack)
    return films.float() / 255, views


def encode_report(tokenizer, report: str, longest: int) -> list[int]:
    """A report's token ids with the end mark; cut to `longest` (a cut report has no end mark)."""
    ids = [*tokenizer(" ".join(report.split()), add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    return ids[:longest]
