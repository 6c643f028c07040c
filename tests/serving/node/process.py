"""A node in a process of its own, with a drafter that takes a moment: python -m tests.serving.node.process JSON

JSON: the store, the archive's port, and maybe where to die: the moment at which it kills itself, the first time that
one comes. Prints its port, and stops when its standard input ends.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from mrg_llm.serving.node import NodeOptions, Peer, start_node
from mrg_llm.serving.node.sending import CStore
from mrg_llm.serving.node.store import Store
from tests.serving.node.played import fake_drafter

# moment -> the call before or after which it comes
MOMENTS = {
    "film written, row not committed": (Store, "enter", "before"),
    "row committed, not answered": (Store, "add", "after"),
    "drafting": (Store, "claim", "after"),
    "drafted, not sent": (CStore, "send", "before"),
    "sent, not noted": (CStore, "send", "after"),
    "sent and noted": (Store, "sent", "after"),
}


def die_at(moment: str) -> None:
    owner, name, when = MOMENTS[moment]
    original = getattr(owner, name)

    def dying(*given):
        if when == "after" and original(*given) is None and name == "claim":
            return None  # there was nothing to draft yet
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


def main(told: dict) -> None:
    if told.get("die"):
        die_at(told["die"])

    def drafter(films):
        time.sleep(0.05)
        return fake_drafter(films)

    archive = Peer("ARCHIVE", "127.0.0.1", told["archive"])
    node = start_node(NodeOptions(0, Path(told["store"]), wait_s=0.2, retry_s=0.1, send=archive), drafter)
    print(node.port, flush=True)
    sys.stdin.read()
    node.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
