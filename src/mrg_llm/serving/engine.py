"""What the service needs of a model: films looked at in one thread, drafts written in another.

`ReporterEngine` is the real one. Tests put a fake of a few lines in its place.
Legend: S sentences, W views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mrg_llm.exports import DraftReport, StudyIdentity
from mrg_llm.images.pixels import inside

if TYPE_CHECKING:
    from mrg_llm.model.processing import Reporter

Told = Callable[[int, str], None]  # a study's place in its batch, and its text so far
FINER = 8
LONGEST_SIDE_PX = 1024  # of the films that a page shows


@dataclass(frozen=True, repr=False)
class Asked:
    """The films of one study as they came in, and what was said with them."""

    films: tuple[bytes, ...]
    indication: str | None = None
    prior: str | None = None
    anyway: bool = False


@dataclass(frozen=True, repr=False)
class Display:
    """A film for a person's eyes. rows, columns: of the film as it came; gray: (h, w) uint16, smaller where it was
    large, of `bits` bits."""

    projection: str | None
    rows: int
    columns: int
    gray: np.ndarray
    bits: int


@dataclass(frozen=True, repr=False)
class Looked:
    """A study that has been read. inner: what the engine itself keeps of it."""

    views: tuple[Display, ...]
    identity: StudyIdentity | None
    inner: Any

    @property
    def bytes(self) -> int:
        return sum(view.gray.nbytes for view in self.views)


class Engine(Protocol):
    """threshold: confidence under which sentences are marked, 0 where none is measured."""

    name: str
    notice: str
    threshold: float

    def look(self, asked: Asked) -> Looked:
        """Read the films; called from several threads. Raises InputError or Refusal."""

    def write(self, batch: Sequence[Looked], told: Told | None) -> list[DraftReport]:
        """A draft of each, in order; called from one thread."""

    def maps(self, looked: Looked, draft: DraftReport) -> list[list[np.ndarray]] | None:
        """[S][W] of (h, w) uint8, where each sentence looked; None where that is not to be had. Called as `write`."""


class ReporterEngine:
    """A trained model. Films are decoded in processes of their own, whatever thread asks."""

    def __init__(self, reporter: Reporter):
        from mrg_llm.model.processing import NOT_A_DEVICE

        self.reporter, self.name, self.notice = reporter, reporter.name, NOT_A_DEVICE
        self.threshold = reporter.confidence.threshold if reporter.calibration else 0.0

    def look(self, asked: Asked) -> Looked:
        from mrg_llm.errors import ImageError
        from mrg_llm.exports import read_identity
        from mrg_llm.images.gathering import gather
        from mrg_llm.model.processing import Shown
        from mrg_llm.serving.refusals import Refusal

        study = self.reporter.asked(indication=asked.indication, prior=asked.prior)
        films = list(asked.films)
        try:
            positions = [film.position for film in gather(films)]
        except ImageError as error:
            raise Refusal(422, "several_studies", str(error)) from None
        try:
            identity = read_identity(films)
        except ImageError as error:
            raise Refusal(422, "contradictory_films", str(error)) from None
        shown = self.reporter.shown(films, anyway=asked.anyway)
        views = tuple(display(film, position) for film, position in zip(shown.films, positions, strict=True))
        return Looked(views, identity, (study, Shown(shown.names, (), shown.squares)))

    def write(self, batch: Sequence[Looked], told: Told | None) -> list[DraftReport]:
        from mrg_llm.drafting import drafted

        studies, shown = zip(*(looked.inner for looked in batch), strict=True)
        return drafted(self.reporter, studies, shown, [looked.identity for looked in batch], told)

    def maps(self, looked: Looked, draft: DraftReport) -> list[list[np.ndarray]] | None:
        from mrg_llm.explain import explain

        study, shown = looked.inner
        found = explain(self.reporter, shown, draft.findings, study)
        if len(found.sentences) != len(draft.sentences):
            return None
        bytes_SWhw = (found.maps * 255).round().astype(np.uint8)
        return [
            [over_film(map, view, self.reporter.vision.fit) for map, view in zip(views, looked.views, strict=True)]
            for views in bytes_SWhw
        ]


def over_film(map_hw: np.ndarray, view: Display, fit: str) -> np.ndarray:
    """The part of a square's map that lies over the film: all of it, unless the square was padded."""
    if fit == "squash":
        return map_hw
    finer = map_hw.repeat(FINER, axis=0).repeat(FINER, axis=1)  # a film's edge falls between patches
    return finer[inside(view.rows, view.columns, len(finer), fit)]


def display(film: Any, projection: str | None) -> Display:
    """A film averaged down to LONGEST_SIDE_PX, in as many bits as it had, 8 to 16."""
    from PIL import Image

    rows, columns = film.pixels.shape
    scale = min(1.0, LONGEST_SIDE_PX / max(rows, columns))
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    small = np.asarray(Image.fromarray(film.pixels).resize(size, Image.Resampling.BOX))
    bits = min(max(film.bits, 8), 16)
    gray = (np.clip(small, 0, 1) * (2**bits - 1)).round().astype("<u2")
    return Display(projection, rows, columns, gray, bits)
