"""The routes of reports: one is asked for, and then its films, maps and files; and those that came in by DICOM."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from mrg_llm.serving import schemas, sse
from mrg_llm.serving.answers import as_answer, as_file, check_whose, format_of
from mrg_llm.serving.bodies import asked_of, read_body
from mrg_llm.serving.engine import Looked
from mrg_llm.serving.patience import draft, look, unless_gone, within
from mrg_llm.serving.refusals import Refusal
from mrg_llm.serving.remembered import Memory
from mrg_llm.serving.schemas import REFUSED
from mrg_llm.serving.service import Service

router = APIRouter(prefix="/v1")
EDIT_BYTES = 262_144
BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY = {
    "requestBody": {
        "required": True,
        "description": "one film, a zip of one study's films, or a multipart with a file a film (a form may carry "
        "indication, prior and anyway too, which keeps them out of the logs of proxies)",
        "content": {
            **{kind: BINARY for kind in ("application/dicom", "image/png", "image/jpeg", "application/zip")},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "film": {"type": "array", "items": BINARY["schema"]},
                        **{name: {"type": "string"} for name in ("indication", "prior", "anyway")},
                    },
                }
            },
        },
    }
}


@router.post("/reports", openapi_extra=BODY, responses={200: {"model": schemas.ReportAnswer}, **REFUSED})
async def write_report(
    request: Request, format: str | None = None, indication: str = "", prior: str = "", anyway: bool = False
) -> Response:
    """A draft of the study in the body. With `Accept: text/event-stream` it comes sentence by sentence."""
    wanted = format_of(format, request.headers.get("accept", ""))
    service: Service = request.app.state.service
    visit = request.scope["visit"]
    visit.place = service.enter()
    body = await read_body(request.stream(), request.headers, service.options.limits, visit.place)
    begun = time.monotonic()
    said = {"indication": indication, "prior": prior, "anyway": str(anyway)}
    work = partial(asked_of, body, request.headers.get("content-type", ""), said, service.options.limits)
    del body
    looked = await look(request, work, begun)
    if wanted == "stream":
        return StreamingResponse(streamed(request, looked, begun), media_type=sse.MEDIA_TYPE)
    check_whose(wanted, looked)
    memory = await draft(request, looked, begun)
    if wanted == "json":
        return JSONResponse(as_answer(memory))
    return await as_file(service, memory, wanted)


@router.get("/reports/{id}", responses={200: {"model": schemas.ReportAnswer}, **REFUSED})
async def read_report(request: Request, id: str) -> Response:
    """The draft again, while it is remembered: some minutes, in memory alone."""
    return JSONResponse(as_answer(remembered(request, id)))


@router.get("/reports/{id}/maps", responses={200: {"model": schemas.MapsAnswer}, **REFUSED})
async def read_maps(request: Request, id: str) -> Response:
    """Where each sentence looked, where the model can tell."""
    service: Service = request.app.state.service
    memory, visit = remembered(request, id), request.scope["visit"]
    visit.place = service.enter()
    work = service.line.alone(partial(service.engine.maps, memory.looked, memory.draft))
    until = time.monotonic() + service.options.deadline_s
    maps = await unless_gone(request.receive, within(service.options.deadline_s, until, work))
    if maps is None:
        raise Refusal(404, "not_available", "this service has no maps of what a sentence looked at")
    sizes = [{"rows": view.shape[0], "columns": view.shape[1]} for view in (maps[0] if maps else [])]
    coded = [[base64.b64encode(view.tobytes()).decode() for view in sentence] for sentence in maps]
    return JSONResponse({"sentences": len(maps), "views": sizes, "maps": coded})


@router.get("/reports/{id}/films/{n}", responses=REFUSED)
async def read_film(request: Request, id: str, n: int) -> Response:
    """Film n, from 0, as little-endian 16-bit gray for the screen: X-Rows, X-Columns and X-Bits say its size."""
    views = remembered(request, id).looked.views
    if not 0 <= n < len(views):
        raise Refusal(404, "not_found", f"the study has {len(views)} films, counted from 0")
    gray = views[n].gray.astype("<u2", copy=False)
    headers = {"X-Rows": str(gray.shape[0]), "X-Columns": str(gray.shape[1]), "X-Bits": str(views[n].bits)}
    return Response(gray.tobytes(), headers=headers, media_type="application/octet-stream")


@router.get("/reports/{id}/export", responses=REFUSED)
async def export(request: Request, id: str, format: str) -> Response:
    """The draft as a file, with its text as it was edited."""
    memory = remembered(request, id)
    wanted = format_of(format, "")
    check_whose(wanted, memory.looked)
    return await as_file(request.app.state.service, memory, wanted)


@router.post("/reports/{id}/edits", responses={200: {"model": schemas.EditAnswer}, **REFUSED},
             openapi_extra={"requestBody": {"required": True, "content": {"application/json": {
                 "schema": {"type": "object", "properties": {"final": {"type": "string"}}, "required": ["final"]},
                 "example": {"final": "The heart is normal in size. The lungs are clear."}}}}})  # fmt: skip
async def edit(request: Request, id: str) -> Response:
    """What a person made of the draft: exports have it from now on."""
    memory, service = remembered(request, id), request.app.state.service
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > EDIT_BYTES:
            raise Refusal(413, "too_large", f"an edit may have {EDIT_BYTES:,} bytes")
    try:
        final = json.loads(body)["final"]
    except (ValueError, KeyError, TypeError, RecursionError):
        final = None
    if not isinstance(final, str) or not final.strip():
        raise Refusal(400, "bad_request", 'send {"final": "the edited text"}')
    memory.edited = final
    return JSONResponse({"kept": await service.keep_edit(memory)})


@router.get("/worklist", responses={200: {"model": schemas.WorklistAnswer}, **REFUSED})
async def worklist(request: Request) -> Response:
    """The studies that came in by DICOM, newest first; nothing of a patient."""
    service: Service = request.app.state.service
    items: Sequence[dict[str, Any]] = await service.read(service.node.items) if service.node else ()
    return JSONResponse({
        "enabled": service.node is not None,
        "items": [{**item, "report_id": service.from_node.get(item["id"])} for item in items],
    })  # fmt: skip


@router.get("/worklist/{id}/report", responses={200: {"model": schemas.ReportAnswer}, **REFUSED})
async def worklist_report(request: Request, id: str) -> Response:
    """The draft of a study that came in by DICOM; from then on it is remembered like any other."""
    memory = await request.app.state.service.received(id, request.scope["visit"].key)
    if memory is None:
        raise Refusal(404, "not_found", "the worklist has no draft under this id, or does not keep it any more")
    return JSONResponse(as_answer(memory))


async def streamed(request: Request, looked: Looked, begun: float) -> AsyncIterator[bytes]:
    """Server-sent events: `sentence` ..., then `report` or `error`."""
    visit = request.scope["visit"]
    try:
        async for event, data in sse.told(request.app.state.service, looked, visit.key, begun):
            if event == "sentence":
                yield sse.frame({"index": data[0], "text": data[1]}, event)
            elif event == "report":
                yield sse.frame(as_answer(data), event)
            else:
                yield sse.WAITING
    except Exception as error:
        yield sse.frame(sse.failure(visit, error)["error"], "error")


def remembered(request: Request, id: str) -> Memory:
    memory = request.app.state.service.remembered.get(id, request.scope["visit"].key)
    if memory is None:
        raise Refusal(404, "not_found", "no report is remembered under this id; they are kept for some minutes")
    return memory
