"""mrg serve: drafts over HTTP, and for an archive by DICOM."""

from __future__ import annotations

import importlib.util
import logging
import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mrg_llm.cli import dicom
from mrg_llm.cli.options import Model, loaded
from mrg_llm.errors import SettingsError

NEEDED = ("fastapi", "uvicorn", "prometheus_client")


def serve(
    model: Model = "",
    host: Annotated[str, typer.Option(help="where to listen; beyond this machine it needs --keys")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="the port (0: any)")] = 8000,
    keys: Annotated[Path | None, typer.Option(help="a file of keys: /v1 then asks for one of them")] = None,
    new_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="add a key to --keys, print it once, and serve nothing")
    ] = None,
    audit: Annotated[Path | None, typer.Option(help="append a JSON line a request here, without patient data")] = None,
    queue: Annotated[int, typer.Option(min=1, help="studies worked on or waiting at a time; beyond, 503")] = 32,
    batch: Annotated[int, typer.Option(min=1, help="studies the model writes together")] = 8,
    deadline: Annotated[float, typer.Option(min=1, help="seconds until a study is answered with 504")] = 120.0,
    drain: Annotated[float, typer.Option(min=1, help="seconds to finish what was accepted, after SIGTERM")] = 150.0,
    max_mb: Annotated[int, typer.Option(min=1, help="megabytes of a study, packed or unpacked; beyond, 413")] = 256,
    max_films: Annotated[int, typer.Option(min=1, help="films of a study")] = 8,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="a name the service may be called by, as behind a proxy")
    ] = None,
    keep_edits: Annotated[
        Path | None, typer.Option(help="append (draft, edited text) pairs here; texts may hold what a person typed")
    ] = None,
    dicom_port: dicom.Port = None,
    dicom_host: dicom.Host = "127.0.0.1",
    dicom_title: dicom.Title = "MRG_LLM",
    dicom_allow: dicom.Allow = None,
    dicom_store: dicom.Folder = None,
    dicom_wait: dicom.Wait = 30.0,
    dicom_keep: dicom.Keep = 60.0,
    dicom_disk: dicom.Disk = 20.0,
    dicom_send: dicom.Send = None,
    stow: dicom.Stow = None,
    stow_credentials: dicom.Credentials = None,
) -> None:  # fmt: skip
    """Serve drafts over HTTP until a signal to stop. Research use only, not a medical device."""
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            raise SettingsError(f"mrg serve needs {package}, which is not installed; pip install 'mrg-llm[serve]'")
    from mrg_llm.serving.audit import AuditFile
    from mrg_llm.serving.auth import Keys, is_loopback, make_key, refuse_open

    if new_key is not None:
        if keys is None:
            raise SettingsError("--new-key adds to a file of keys; give --keys FILE too")
        typer.echo(make_key(new_key, keys))
        typer.echo(f"This is the key of {new_key}; it is shown this once, {keys} keeps its hash.", err=True)
        return
    known = Keys.read(keys) if keys else None
    refuse_open(host, known)
    node = dicom.node_options(
        dicom_port, host=dicom_host, title=dicom_title, allow=dicom_allow, store=dicom_store, wait=dicom_wait,
        keep=dicom_keep, disk=dicom_disk, send=dicom_send, stow=stow, credentials=stow_credentials,
    )  # fmt: skip
    if not model:
        raise SettingsError(
            "--model says which run folder to serve; give it, for example --model demo/prompt-wise, or --model starter"
        )
    from mrg_llm.model.processing import NOT_A_DEVICE
    from mrg_llm.serving.bodies import Limits
    from mrg_llm.serving.engine import ReporterEngine
    from mrg_llm.serving.server import bound, run
    from mrg_llm.serving.service import Options, Service

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("mrg_llm").setLevel(logging.INFO)  # hashes and counts; nothing of a patient
    options = Options(
        places=queue, batch=batch, deadline_s=deadline, drain_s=drain, keep_edits=keep_edits,
        limits=Limits(bytes=max_mb * 2**20, films=max_films),
        hosts=tuple(name.lower() for name in allow_host or ()), loopback=is_loopback(host),
    )  # fmt: skip
    audited = AuditFile(audit) if audit else None
    listening = bound(host, port)
    engine = ReporterEngine(loaded(model))
    service = Service(
        engine, options, keys=known, audit=audited,
        node_of=partial(start, node) if node else None,
    )  # fmt: skip
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"{engine.name} at http://{shown}:{listening.getsockname()[1]}/  ({NOT_A_DEVICE})", err=True)
    finished = run(service, listening)
    typer.echo(f"stopped: {service.accepted} studies accepted, {service.answered} answered", err=True)
    if not finished:
        os._exit(1)  # a thread that still writes would keep the process


def start(options, drafter):
    from mrg_llm.serving.node import start_node

    return start_node(options, drafter)
