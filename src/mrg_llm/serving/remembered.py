"""Drafts of the last minutes, so that a page can ask for a draft's films, maps and files. In memory alone: bounded in
number, bytes and time, and each only for the key that asked for it."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mrg_llm.exports import DraftReport
from mrg_llm.serving.engine import Looked

MOST = 256
MOST_BYTES = 256 * 2**20
KEEP_S = 15 * 60.0


@dataclass(repr=False)
class Memory:
    """edited: what a person made of the draft."""

    owner: str | None
    looked: Looked
    draft: DraftReport
    seconds: float
    edited: str | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    since: float = 0.0

    @property
    def current(self) -> DraftReport:
        """The draft with its text as edited."""
        return self.draft if self.edited is None else replace(self.draft, findings=self.edited, sentences=())


class Remembered:
    def __init__(
        self, most: int = MOST, most_bytes: int = MOST_BYTES, keep_s: float = KEEP_S,
        clock: Callable[[], float] = time.monotonic,
    ):  # fmt: skip
        self.most, self.most_bytes, self.keep_s, self.clock = most, most_bytes, keep_s, clock
        self.items: OrderedDict[str, Memory] = OrderedDict()
        self.bytes = 0

    def add(self, memory: Memory) -> Memory:
        memory.since = self.clock()
        self.items[memory.id] = memory
        self.bytes += memory.looked.bytes
        self.forget()
        return memory

    def get(self, id: str, owner: str | None) -> Memory | None:
        self.forget()
        memory = self.items.get(id)
        return memory if memory is not None and memory.owner == owner else None

    def forget(self) -> None:
        """What is too old, and the oldest of what is too much; the newest stays whatever its size."""
        while self.items:
            oldest = next(iter(self.items.values()))
            too_much = len(self.items) > self.most or self.bytes > self.most_bytes
            if self.clock() - oldest.since < self.keep_s and not (too_much and len(self.items) > 1):
                return
            del self.items[oldest.id]
            self.bytes -= oldest.looked.bytes
