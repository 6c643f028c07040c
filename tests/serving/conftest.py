"""A service with a model that is none, and a client of it in this process."""

from __future__ import annotations

import contextlib

import pytest

pytest.importorskip("fastapi")


@pytest.fixture
def served():
    """served(engine, options, ...) -> a client; it ends with the test."""
    from starlette.testclient import TestClient

    from mrg_llm.serving.app import app_of
    from mrg_llm.serving.service import Options, Service
    from tests.serving.fakes import FakeEngine

    with contextlib.ExitStack() as stack:

        def serve(engine=None, options=None, **given):
            service = Service(engine or FakeEngine(), options or Options(), **given)
            client = stack.enter_context(TestClient(app_of(service), base_url="http://localhost"))
            client.service = service
            return client

        yield serve
