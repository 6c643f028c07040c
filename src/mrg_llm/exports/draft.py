"""What every export is made from: the text of one draft, its sentences, the model that wrote it, and whose films."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from mrg_llm.exports.identity import StudyIdentity

MARK = "[uncertain]"
SOFTWARE = "mrg-llm"
BREAK = re.compile(r"(?<=[.?!])\s+|(?<=[。？！])\s*|\s*\n\s*")
# No person reads these, terminals obey them, and neither DICOM nor FHIR takes them: no draft holds any.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
NUMBERED = re.compile(r"\(?\d+[.)]")


@dataclass(frozen=True)
class Sentence:
    """A sentence of the findings. confidence: 0..1, None where nobody measured it. marked: too uncertain to stand
    among the others as if it were sure; every format shows it."""

    text: str
    confidence: float | None = None
    marked: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", CONTROL.sub("", self.text))

    @property
    def shown(self) -> str:
        """The sentence as a person must see it."""
        return f"{MARK} {self.text}" if self.marked else self.text


@dataclass(frozen=True)
class DraftReport:
    """One study's draft. findings: its text. model: the run's name. notice: stands in every export.

    impression: None where the model writes none. sentences: the findings', in order; left out, they are found by their
    full stops. study: what `read_identity` read of the films. written_at: local time where it has no zone.
    """

    findings: str
    model: str
    notice: str
    impression: str | None = None
    sentences: tuple[Sentence, ...] = ()
    study: StudyIdentity | None = None
    written_at: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def __post_init__(self) -> None:
        sound = {"findings": CONTROL.sub("", self.findings)}
        if self.impression is not None:
            sound["impression"] = CONTROL.sub("", self.impression)
        found = self.sentences or tuple(Sentence(text) for text in split_sentences(self.findings))
        zoned = self.written_at if self.written_at.tzinfo else self.written_at.astimezone()
        for member, value in {**sound, "sentences": found, "written_at": zoned}.items():
            object.__setattr__(self, member, value)

    @property
    def shown(self) -> str:
        """The findings as a person must see them, uncertain sentences marked."""
        if any(sentence.marked for sentence in self.sentences):
            return " ".join(sentence.shown for sentence in self.sentences)
        return self.findings


def split_sentences(text: str) -> list[str]:
    """Sentences end with . ? or ! before white space, and with lines; the number of a list stays with its sentence."""
    found: list[str] = []
    for piece in BREAK.split(text.strip()):
        if found and NUMBERED.fullmatch(found[-1]):
            found[-1] += f" {piece}"
        elif piece:
            found.append(piece)
    return found


def software_version() -> str:
    """The version of this package, for the formats that name the software."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(SOFTWARE)
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
