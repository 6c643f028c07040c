"""The real service with a model that is none: `python -m tests.serving.fake_server --port 8000 [--latency 1.5]`.

For looking at the page and for tests of signals and load. Films are decoded and shown; the draft is always the same.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mrg_llm.serving.audit import AuditFile
from mrg_llm.serving.auth import Keys
from mrg_llm.serving.server import bound, run
from mrg_llm.serving.service import Options, Service
from tests.serving.fakes import FakeEngine


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--port", type=int, default=8000)
    said.add_argument("--latency", type=float, default=1.5, help="seconds a batch")
    said.add_argument("--places", type=int, default=32)
    said.add_argument("--batch", type=int, default=8)
    said.add_argument("--blind", action="store_true", help="do not decode films")
    said.add_argument("--keys", type=Path)
    said.add_argument("--audit", type=Path)
    said.add_argument("--keep-edits", type=Path)
    said.add_argument("--rounds", type=int, default=1, help="how often to start, each time until a signal")
    given = said.parse_args()
    for _ in range(given.rounds):
        serve(given)


def serve(given: argparse.Namespace) -> None:
    """Until a signal; says its address first and its counts at the end."""
    listening = bound("127.0.0.1", given.port)
    service = Service(
        FakeEngine(given.latency, decodes=not given.blind),
        Options(places=given.places, batch=given.batch, keep_edits=given.keep_edits),
        keys=Keys.read(given.keys) if given.keys else None,
        audit=AuditFile(given.audit) if given.audit else None,
    )
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    finished = run(service, listening)
    print(f"accepted {service.accepted}, answered {service.answered}", flush=True)
    if not finished:
        os._exit(1)  # as mrg serve does


if __name__ == "__main__":
    main()
