"""The service as an ASGI application: `app_of(Service(engine))`.

Reports are in reports.py and openai.py; here is what is asked of a service whatever it serves, and the page.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from mrg_llm.errors import SettingsError
from mrg_llm.exports import FORMATS, check_format
from mrg_llm.exports.draft import software_version
from mrg_llm.serving import openai, reports, schemas
from mrg_llm.serving.door import Door
from mrg_llm.serving.refusals import Refusal, internal
from mrg_llm.serving.service import Service

PAGE = Path(__file__).with_name("page")
CODES = {404: ("not_found", "there is nothing at this address"), 405: ("bad_request", "not with this method")}
state = APIRouter()


def app_of(service: Service) -> Door:
    """The application; `service` runs between its startup and its shutdown."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    app = FastAPI(title="mrg-llm", version=software_version(), description=schemas.NOTICE, docs_url=None,
                  redoc_url=None, lifespan=lifespan)  # fmt: skip
    app.state.service = service
    for router in (state, reports.router, openai.router):
        app.include_router(router)
    if PAGE.is_dir():
        app.mount("/page", StaticFiles(directory=PAGE))
    app.add_exception_handler(Refusal, say_refusal)
    app.add_exception_handler(HTTPException, say_http)
    app.add_exception_handler(RequestValidationError, say_invalid)
    app.add_exception_handler(Exception, say_internal)
    return Door(app, service)


@state.get("/", include_in_schema=False)
async def page() -> Response:
    if not (PAGE / "index.html").is_file():
        raise HTTPException(404)
    return FileResponse(PAGE / "index.html")


@state.get("/healthz")
async def alive() -> Response:
    """200 while the process answers."""
    return JSONResponse({"status": "alive"})


@state.get("/readyz")
async def ready(request: Request) -> Response:
    """200 while studies are taken, 503 before and after."""
    is_ready = request.app.state.service.ready
    return JSONResponse({"status": "ready" if is_ready else "draining"}, 200 if is_ready else 503)


@state.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    kept = request.app.state.service.metrics
    return Response(kept.text(), media_type=kept.media_type)


@state.get("/v1/config", responses={200: {"model": schemas.ConfigAnswer}})
async def config(request: Request) -> Response:
    """What the page has to know."""
    service: Service = request.app.state.service
    return JSONResponse({
        "model": service.engine.name,
        "notice": service.engine.notice,
        "formats": [name for name in FORMATS if can(name)],
        "keep_edits": service.options.keep_edits is not None,
        "needs_key": service.keys is not None,
        "confidence_threshold": service.engine.threshold,
        "dicom": service.node is not None,
    })  # fmt: skip


def can(format: str) -> bool:
    """Whether the packages for this format are installed."""
    try:
        check_format(format)
    except SettingsError:
        return False
    return True


async def say_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    request.scope["visit"].code = error.code
    return error.response()


async def say_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = CODES.get(error.status_code, ("bad_request", "the request cannot be answered"))
    return Refusal(error.status_code, code, message).response()


async def say_invalid(request: Request, error: Exception) -> Response:
    """Not with the details, which quote what was sent."""
    return Refusal(400, "bad_request", "a parameter has a value it cannot have; see /openapi.json").response()


async def say_internal(request: Request, error: Exception) -> Response:
    """The door logs what it was."""
    return internal().response()
