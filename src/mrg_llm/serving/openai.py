"""The chat completions of OpenAI's API, for clients that speak nothing else: films as data URIs in, the draft out.

Words beside the films are not read: the model takes none. What it does take (`indication`, `prior`, `anyway`) are
members of the request beside `messages`. Remote addresses are refused: the service asks nobody for anything.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from mrg_llm.serving import schemas, sse
from mrg_llm.serving.bodies import FIELDS, Limits, read_body, study_of
from mrg_llm.serving.engine import Asked, Looked
from mrg_llm.serving.patience import draft, look
from mrg_llm.serving.refusals import Refusal
from mrg_llm.serving.schemas import REFUSED
from mrg_llm.serving.service import Service

router = APIRouter(prefix="/v1")
EXAMPLE = {
    "model": "prompt-wise",
    "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo..."}}]}],
}  # fmt: skip
COMPLETION = {
    "id": "chatcmpl-Jx0q3T0kz7yQm1pU8bWc2vRd", "object": "chat.completion", "created": 1790000000,
    "model": "prompt-wise", "status": "preliminary", "notice": schemas.NOTICE,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": f"The lungs are clear.\n\n{schemas.NOTICE}"}}],
}  # fmt: skip


@router.post(
    "/chat/completions",
    responses={200: {"content": {"application/json": {"example": COMPLETION}}}, **REFUSED},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {
        "schema": {"type": "object"}, "example": EXAMPLE}}}},
)  # fmt: skip
async def complete(request: Request) -> Response:
    """A draft of the films in the messages. With `"stream": true` it comes sentence by sentence."""
    service: Service = request.app.state.service
    visit = request.scope["visit"]
    visit.place = service.enter()
    body = await read_body(request.stream(), request.headers, service.options.limits, visit.place)
    begun = time.monotonic()
    asked = await service.read(partial(members_of, body))
    del body
    looked = await look(request, partial(films_of, asked, service.options.limits), begun)
    if asked.get("stream") is True:
        return StreamingResponse(streamed(request, looked, begun), media_type=sse.MEDIA_TYPE)
    memory = await draft(request, looked, begun)
    message = {"role": "assistant", "content": f"{memory.draft.shown}\n\n{memory.draft.notice}"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return JSONResponse({**head(service, memory.id, "chat.completion"), "choices": [choice],
                         "status": "preliminary", "notice": memory.draft.notice})  # fmt: skip


async def streamed(request: Request, looked: Looked, begun: float) -> AsyncIterator[bytes]:
    """Chunks of a completion, a sentence each; the last words are the notice."""
    visit, service = request.scope["visit"], request.app.state.service
    chunk = head(service, visit.id, "chat.completion.chunk")

    def delta(said: dict[str, str], finish: str | None = None) -> bytes:
        return sse.frame({**chunk, "choices": [{"index": 0, "delta": said, "finish_reason": finish}]})

    yield delta({"role": "assistant", "content": ""})
    try:
        async for event, data in sse.told(service, looked, visit.key, begun):
            if event == "sentence":
                yield delta({"content": ("" if data[0] == 0 else " ") + data[1]})
            elif event == "report":
                yield delta({"content": f"\n\n{data.draft.notice}"})
            else:
                yield sse.WAITING
        yield delta({}, "stop")
    except Exception as error:
        yield sse.frame(sse.failure(visit, error))
    yield b"data: [DONE]\n\n"


def head(service: Service, id: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{id}", "object": kind, "created": int(time.time()), "model": service.engine.name}


def members_of(body: bytes) -> dict[str, Any]:
    """The request's JSON object. Raises Refusal."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "bad_request", "the body is not JSON; send a chat completion request") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
        raise Refusal(400, "bad_request", "the request has no list of messages")
    if asked.get("n") not in (None, 1):
        raise Refusal(400, "bad_request", "one draft is written for a study; leave n out")
    return asked


def films_of(asked: dict[str, Any], limits: Limits) -> Asked:
    """The study in all messages' data URIs. Raises Refusal."""
    films = []
    for message in asked["messages"]:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict) and part.get("type") == "image_url":
                films.append(from_data_uri(part.get("image_url")))
    said = {name: asked[name] for name in FIELDS if name in asked}
    if not all(isinstance(value, str | bool) for value in said.values()):
        raise Refusal(400, "bad_request", "indication and prior are texts, anyway is true or false")
    return study_of(
        films, {name: value if isinstance(value, str) else str(value) for name, value in said.items()}, limits
    )


def from_data_uri(image_url: Any) -> bytes:
    url = image_url.get("url") if isinstance(image_url, dict) else image_url
    if not isinstance(url, str) or not url.lower().startswith("data:"):
        raise Refusal(400, "remote_url", "images come as data: URIs; the service fetches nothing from elsewhere")
    kind, comma, data = url.partition(",")
    if not comma or not kind.lower().endswith(";base64"):
        raise Refusal(400, "bad_request", "a data: URI is data:TYPE;base64,BYTES")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(400, "bad_request", "a data: URI is not valid base64") from None
