"""A remembered draft -> what a client gets: the report object, or a file in the format that it named or accepts."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.responses import Response

from mrg_llm.errors import ImageError, SettingsError
from mrg_llm.exports import FORMATS, DraftReport, check_format, check_study, render
from mrg_llm.serving import sse
from mrg_llm.serving.engine import Looked
from mrg_llm.serving.refusals import Refusal
from mrg_llm.serving.remembered import Memory
from mrg_llm.serving.service import Service

EXTENSIONS = {"text": "txt", "json": "json", "markdown": "md", "pdf": "pdf", "dicom-sr": "dcm", "dicom-pdf": "dcm",
              "fhir": "fhir.json"}  # fmt: skip
ACCEPTED = {"application/json": "json", "text/plain": "text", "text/markdown": "markdown", "application/pdf": "pdf",
            "application/dicom": "dicom-sr", "application/fhir+json": "fhir", sse.MEDIA_TYPE: "stream"}  # fmt: skip


def as_answer(memory: Memory) -> dict[str, Any]:
    """The report object."""
    report: DraftReport = memory.draft
    return {
        "id": memory.id,
        "status": "preliminary",
        "notice": report.notice,
        "model": report.model,
        "findings": report.findings,
        "impression": report.impression,
        "sentences": [{"text": s.text, "confidence": s.confidence, "marked": s.marked} for s in report.sentences],
        "views": [{"projection": v.projection, "rows": v.rows, "columns": v.columns} for v in memory.looked.views],
        "seconds": round(memory.seconds, 3),
    }


async def as_file(service: Service, memory: Memory, format: str) -> Response:
    """The draft as a download whose name says nothing."""
    data = await service.read(partial(render, memory.current, format))
    headers = {"Content-Disposition": f'attachment; filename="draft-report.{EXTENSIONS[format]}"',
               "X-Report-Id": memory.id}  # fmt: skip
    return Response(data, headers=headers, media_type=FORMATS[format].media_type)


def format_of(format: str | None, accept: str) -> str:
    """The format that was asked for by name, or else by Accept: the first of those we have, else JSON."""
    if format is None:
        kinds = (kind.partition(";")[0].strip().lower() for kind in accept.split(","))
        format = next((ACCEPTED[kind] for kind in kinds if kind in ACCEPTED), "json")
    if format != "stream":
        try:
            check_format(format if format in FORMATS else "of that name")
        except SettingsError as error:
            raise Refusal(400, "bad_request", str(error)) from None
    return format


def check_whose(format: str, looked: Looked) -> None:
    try:
        check_study(format, looked.identity)
    except ImageError as error:
        raise Refusal(422, "no_identity", str(error)) from None
