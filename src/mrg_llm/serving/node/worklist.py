"""A draft <-> what the store keeps of it. Nothing of the patient's is packed: identity is read of the films again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from mrg_llm.exports import DraftReport, Sentence, read_identity


@dataclass(frozen=True, repr=False)
class Received:
    """A study's draft and the DICOM files of its films, in the order in which they were drafted from."""

    draft: DraftReport
    films: list[bytes]


def packed(draft: DraftReport) -> str:
    """JSON of a draft, without its study."""
    members = asdict(draft) | {"written_at": draft.written_at.isoformat()}
    del members["study"]
    return json.dumps(members)


def unpacked(text: str, films: list[bytes]) -> DraftReport:
    """The draft again, with its study as the films name it."""
    members = json.loads(text)
    members["sentences"] = tuple(Sentence(**sentence) for sentence in members["sentences"])
    members["written_at"] = datetime.fromisoformat(members["written_at"])
    return DraftReport(**members, study=read_identity(films))
