"""The node as the service sees it: started, asked for its worklist, stopped."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from typing import Any

from mrg_llm.errors import SettingsError
from mrg_llm.serving.node.options import NodeOptions
from mrg_llm.serving.node.receiver import Receiver
from mrg_llm.serving.node.sending import archive_of
from mrg_llm.serving.node.store import Store
from mrg_llm.serving.node.worker import Drafter, Worker
from mrg_llm.serving.node.worklist import Received, unpacked

SHOWN = {"drafting": "waiting"}  # states of the store that the worklist calls otherwise


def start_node(options: NodeOptions, drafter: Drafter) -> Node:
    """A node that listens. drafter: the DICOM files of one study -> its draft, called from one thread of the node's;
    an ImageError of it ends the study as failed, an error of another kind is tried again.

    Raises SettingsError where pynetdicom is not installed, ResourceError for a folder or a port that cannot be had.
    """
    if importlib.util.find_spec("pynetdicom") is None:
        raise SettingsError("--dicom-port needs pynetdicom, which is not installed; pip install 'mrg-llm[serve]'")
    archive = archive_of(options)
    store = Store(
        options.store, wait_s=options.wait_s, keep_s=60 * options.keep_minutes, disk_bytes=options.disk_bytes,
        sends=archive is not None,
    )  # fmt: skip
    worker = Worker(store, drafter, archive, options)
    try:
        receiver = Receiver(store, options, worker.wake)
    except BaseException:
        store.close()
        raise
    worker.start()
    return Node(store, worker, receiver)


class Node:
    """What `start_node` returns. port: where it listens."""

    def __init__(self, store: Store, worker: Worker, receiver: Receiver) -> None:
        self.store, self.worker, self.receiver = store, worker, receiver
        self.port = receiver.port

    def items(self) -> list[dict[str, Any]]:
        """The worklist, newest first: id, received_at (ISO 8601), films, state (waiting, drafted, sent, failed), reason
        (a code, of a failure alone) and kept: whether `report` has it."""
        return [
            {"id": item.id, "films": item.films, "state": SHOWN.get(item.state, item.state), "reason": item.reason,
             "received_at": datetime.fromtimestamp(item.received_at, UTC).isoformat(timespec="seconds"),
             "kept": bool(item.kept)}
            for item in self.store.items()
        ]  # fmt: skip

    def report(self, id: str) -> Received | None:
        """A study's draft and films; None for one that is not known, not drafted, or not kept any more."""
        text = self.store.draft(id)
        if text is None:
            return None
        try:
            films = self.store.read_films(id)
        except FileNotFoundError:  # deleted since
            return None
        return Received(unpacked(text, films), films) if films else None

    def counts(self) -> dict[str, int]:
        """State -> studies, for metrics."""
        return self.store.counts()

    def stop(self) -> None:
        """Take no more, end what is being done, and leave the rest for the next start."""
        self.receiver.stop()
        self.worker.stop()
        self.store.close()
