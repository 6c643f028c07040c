"""The real service, in a thread of the test's process, with an engine that refuses, waits and hesitates as told."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from mrg_llm.errors import UnfamiliarError

SENTENCES = ("The heart is normal in size.", "The lungs are clear.", "There is a small left pleural effusion.")


class Served:
    """One service that a page can be opened from, and what a test may do to it."""

    sentences, marked = SENTENCES, [False, False, True]

    def __init__(self, films: list[Path], folder: Path):
        import uvicorn

        from mrg_llm.serving.app import app_of
        from mrg_llm.serving.server import bound
        from mrg_llm.serving.service import Options, Service

        self.folder, self.engine = folder, moody_engine()
        draft = self.engine.write([SimpleNamespace(identity=None)], None)[0]
        received = SimpleNamespace(draft=draft, films=[film.read_bytes() for film in films])
        item = {"id": "0a1b2c3d4e", "received_at": "2026-01-01T00:00:00Z", "films": len(films), "state": "drafted"}
        node = SimpleNamespace(items=lambda: [item], report={item["id"]: received}.get, stop=lambda: None)
        options = Options(places=4, keep_edits=folder / "edits.jsonl")
        self.service = Service(self.engine, options, node_of=lambda draft: node)
        listening = bound("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        config = uvicorn.Config(app_of(self.service), log_level="warning", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]})
        self.thread.start()

    def stop(self) -> None:
        self.let_go()
        self.server.should_exit = True
        self.thread.join()

    def hold(self) -> None:
        self.engine.gate = threading.Semaphore(0)

    def let_go(self, sentences: int = 1_000) -> None:
        self.engine.gate.release(sentences)

    def be_busy(self) -> None:
        self.service.line.places = 0

    def be_free(self) -> None:
        self.service.line.places = 4

    def find_films_strange(self) -> None:
        self.engine.strange = True

    def ask_for_a_key(self) -> str:
        from mrg_llm.serving.auth import Keys, make_key

        key = make_key("reader", self.folder / "keys")
        self.service.keys = Keys.read(self.folder / "keys")
        return key

    def edits(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "edits.jsonl").read_text().splitlines()]


def moody_engine():
    from mrg_llm.serving.engine import Asked, Looked
    from tests.serving.fakes import FakeEngine

    class Moody(FakeEngine):
        """projections: of the films, in their order. gate: a place in it for every sentence, None for all of them."""

        projections: tuple[str | None, ...] = ("PA", "LL")
        strange = False

        def __init__(self):
            super().__init__(decodes=True)
            self.gate = threading.Semaphore(1_000_000)

        def look(self, asked: Asked) -> Looked:
            if self.strange and not asked.anyway:
                raise UnfamiliarError("the picture is unlike the films of the training")
            looked = super().look(asked)
            named = zip(looked.views, self.projections, strict=False)
            return replace(looked, views=tuple(replace(view, projection=name) for view, name in named))

        def write(self, batch, told):
            def slowly(place: int, text: str) -> None:
                self.gate.acquire()
                told(place, text)

            return super().write(batch, slowly if told else None)

    return Moody()
