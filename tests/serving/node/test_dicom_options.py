"""The command line's words for a node."""

from pathlib import Path

import pytest

from mrg_llm.cli.dicom import node_options
from mrg_llm.errors import SettingsError
from mrg_llm.serving.node import NodeOptions, Peer
from mrg_llm.serving.node.options import CREDENTIALS

NONE = {"host": "127.0.0.1", "title": "MRG_LLM", "allow": None, "store": None, "wait": 30.0, "keep": 60.0, "disk": 20.0,
        "send": None, "stow": None, "credentials": None}  # fmt: skip


def test_no_port_no_node():
    assert node_options(None, **NONE) is None
    with pytest.raises(SettingsError, match="--dicom-port"):
        node_options(None, **NONE | {"send": "A@h:104"})


def test_the_defaults_are_the_nodes_own():
    assert node_options(0, **NONE | {"store": Path("node")}) == NodeOptions(0, Path("node"))
    with pytest.raises(SettingsError, match="--dicom-store"):
        node_options(0, **NONE)
    with pytest.raises(SettingsError, match="--dicom-disk"):
        node_options(0, **NONE | {"store": Path("node"), "disk": -1.0})


def test_where_reports_go_and_with_which_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv(CREDENTIALS, "bearer token")
    told = NONE | {"store": Path("node"), "allow": ["A", "B"]}
    options = node_options(11112, **told | {"send": "ARCHIVE@host:104"})
    assert (options.send, options.allow, options.credentials) == (Peer("ARCHIVE", "host", 104), ("A", "B"), None)
    assert node_options(11112, **told | {"stow": "https://host/dicom-web"}).credentials == "Bearer token"
    (tmp_path / "secret").write_text("basic a:b")
    assert node_options(
        11112, **told | {"stow": "https://host/dicom-web", "credentials": tmp_path / "secret"}
    ).credentials == "Basic YTpi"  # fmt: skip
