"""What a model wrote -> drafts that can leave the program: sections apart, sentences with their confidence, and whose
films they are about.

Here model and exports meet. The command line and the service come through it, so that a film gets the same draft at
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mrg_llm.exports import DraftReport, Sentence, StudyIdentity, read_identity
from mrg_llm.studies.texts import IMPRESSION_HEAD, parted

if TYPE_CHECKING:
    from mrg_llm.model.confidence import ScoredSentence
    from mrg_llm.model.decoding import Told
    from mrg_llm.model.processing import Reporter, Shown
    from mrg_llm.studies.study import Study


def draft(
    reporter: Reporter, films: Sequence[str | Path | bytes], *, indication: str | None = None, prior: str | None = None,
    anyway: bool = False,
) -> DraftReport:  # fmt: skip
    """The draft of one study, with the identity of its films where they have one; arguments and errors as of
    `Reporter.report`."""
    asked = reporter.asked(indication=indication, prior=prior)
    return drafted(reporter, [asked], [reporter.shown(films, anyway=anyway)], [read_identity(films)])[0]


def drafted(
    reporter: Reporter, studies: Sequence[Study], shown: Sequence[Shown],
    identities: Sequence[StudyIdentity | None], told: Told | None = None,
) -> list[DraftReport]:  # fmt: skip
    """A draft of each study of one batch.

    studies: what was asked (`Reporter.asked`). told: hears of each text as it grows, but where uncertain sentences are
    to be left out: nobody knows yet which these are.
    """
    from mrg_llm.model.confidence import sentence_confidences, text_of
    from mrg_llm.model.processing import NOT_A_DEVICE

    dropping = reporter.calibration is not None and reporter.confidence.below == "drop"
    drafts = reporter.drafts(studies, shown, None if dropping else told)
    scored = sentence_confidences(reporter, studies, shown, drafts)
    found = []
    for draft, sentences, identity in zip(drafts, scored, identities, strict=True):
        parts = parted(text_of(draft, sentences))
        found.append(
            DraftReport(
                parts["findings"], reporter.name, NOT_A_DEVICE, impression=parts["impression"] or None,
                sentences=tuple(of_findings(sentences)), study=identity,
            )
        )  # fmt: skip
    return found


def of_findings(sentences: Sequence[ScoredSentence]) -> list[Sentence]:
    """The sentences before the head of the impression."""
    found: list[Sentence] = []
    for scored in sentences:
        before, head, _ = scored.text.partition(IMPRESSION_HEAD)
        if before.strip():
            found.append(Sentence(before.strip(), scored.confidence, scored.marked))
        if head:
            break
    return found
