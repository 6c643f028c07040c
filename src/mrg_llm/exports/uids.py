"""UIDs of what is written, made of what it says: the same draft of the same films has the same UIDs wherever and
whenever it is written, so that an archive which gets it twice holds it once.

They are UUIDs of version 5 under 2.25, as DICOM PS3.5 B.2 has them; the time of writing alone does not count.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from uuid import UUID, uuid5

from mrg_llm.exports.draft import SOFTWARE, DraftReport, software_version

OURS = UUID("ec87e251-2382-4960-9ae6-bb4eefb5df8c")  # drawn once: the space in which our names mean what they do


def instance_uuid(draft: DraftReport, what: str) -> UUID:
    """Of one document or resource: another word, mark, film, patient's detail, model or version is another one. (A
    confidence is not: no document holds it, and its last digits are the machine's.)"""
    members = asdict(draft) | {"written_at": None, "sentences": [sentence.shown for sentence in draft.sentences]}
    return named(what, members, software_version())


def series_uuid(draft: DraftReport, what: str) -> UUID:
    """Of the series in which a model's documents of a study stand."""
    return named(what, draft.study.study_uid if draft.study else None, draft.model)


def device_uuid(draft: DraftReport) -> UUID:
    """Of the model as an observer."""
    return named("device", draft.model, software_version())


def as_uid(uuid: UUID) -> str:
    return f"2.25.{uuid.int}"


def named(*parts) -> UUID:
    return uuid5(OURS, json.dumps([SOFTWARE, *parts], sort_keys=True))
