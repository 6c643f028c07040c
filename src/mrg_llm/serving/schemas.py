"""What the API's answers look like: for /openapi.json, with an example each."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

NOTICE = "Draft by software. Research use only, not a medical device."


def example(**members: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": members})


class SentenceAnswer(BaseModel):
    """confidence: 0..1, null where none is measured. marked: too uncertain to stand as if it were sure."""

    text: str
    confidence: float | None
    marked: bool


class ViewAnswer(BaseModel):
    """projection: the DICOM ViewPosition, null where the film does not say. rows, columns: of the film as it came."""

    projection: str | None
    rows: int
    columns: int


class ReportAnswer(BaseModel):
    model_config = example(
        id="Jx0q3T0kz7yQm1pU8bWc2vRd", status="preliminary", notice=NOTICE, model="prompt-wise",
        findings="The heart is normal in size. The lungs are clear.", impression=None,
        sentences=[{"text": "The heart is normal in size.", "confidence": None, "marked": False},
                   {"text": "The lungs are clear.", "confidence": None, "marked": False}],
        views=[{"projection": "PA", "rows": 2544, "columns": 3056}], seconds=1.7,
    )  # fmt: skip
    id: str
    status: Literal["preliminary"]
    notice: str
    model: str
    findings: str
    impression: str | None
    sentences: list[SentenceAnswer]
    views: list[ViewAnswer]
    seconds: float


class RefusalBody(BaseModel):
    code: str
    message: str


class RefusalAnswer(BaseModel):
    model_config = example(error={"code": "not_a_film", "message": "film 1 is no DICOM, PNG or JPEG; leave it out"})
    error: RefusalBody


class MapView(BaseModel):
    rows: int
    columns: int


class MapsAnswer(BaseModel):
    """maps[sentence][view]: base64 of rows x columns uint8, where that sentence looked."""

    sentences: int
    views: list[MapView]
    maps: list[list[str]]


class EditAnswer(BaseModel):
    """kept: whether the pair of draft and final text was written to the operator's file."""

    kept: bool


class Item(BaseModel):
    id: str
    received_at: str
    films: int
    state: Literal["waiting", "drafted", "sent", "failed"]
    report_id: str | None


class WorklistAnswer(BaseModel):
    enabled: bool
    items: list[Item]


class ConfigAnswer(BaseModel):
    model: str
    notice: str
    formats: list[str]
    keep_edits: bool
    needs_key: bool
    confidence_threshold: float
    dicom: bool


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": RefusalAnswer} for status in (400, 401, 403, 408, 413, 415, 422, 503, 504)
}
"""What every route may answer instead."""
