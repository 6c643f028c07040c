"""What every export is made from: the text of one draft and the model that wrote it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DraftReport:
    """One study's draft. findings: its text. model: the run's name. notice: stands in every export.

    impression: None where the model writes none.
    """

    findings: str
    model: str
    notice: str
    impression: str | None = None
