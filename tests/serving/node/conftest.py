"""Nodes and archives that are stopped when a test ends."""

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed (extra: serve)")


@pytest.fixture
def archive():
    from tests.serving.node.played import PlayedArchive

    played = PlayedArchive()
    yield played
    played.stop()


@pytest.fixture
def start(tmp_path):
    """start(drafter=..., options...) -> a node in tmp_path/node that waits a tenth of a second."""
    from mrg_llm.serving.node import NodeOptions, start_node
    from tests.serving.node.played import fake_drafter

    nodes = []

    def started(drafter=fake_drafter, **options):
        values = {"port": 0, "store": tmp_path / "node", "wait_s": 0.1, "retry_s": 0.05, "timeout_s": 10} | options
        nodes.append(start_node(NodeOptions(**values), drafter))
        return nodes[-1]

    yield started
    for node in nodes:
        node.stop()
