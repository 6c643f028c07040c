"""What a node can be told, and what it refuses to be told."""

from pathlib import Path

import pytest

from mrg_llm.errors import SettingsError
from mrg_llm.serving.node import NodeOptions, Peer, parse_peer, read_credentials
from mrg_llm.serving.node.options import CREDENTIALS

SECRET = "hunter2-hunter2"


def options(**changed) -> NodeOptions:
    return NodeOptions(**({"port": 11112, "store": Path("node")} | changed))


def test_the_defaults_listen_to_this_machine_alone():
    assert options().host == "127.0.0.1" and options().send is options().stow is None


@pytest.mark.parametrize("changed, said", [
    ({"port": 70_000}, "--dicom-port"), ({"title": "A" * 17}, "AE title"), ({"title": " "}, "AE title"),
    ({"allow": ("BACK\\SLASH",)}, "AE title"),
    ({"host": "0.0.0.0"}, "--dicom-allow"), ({"host": "::"}, "--dicom-allow"),
    ({"wait_s": -1.0}, "--dicom-wait"), ({"wait_s": float("nan")}, "--dicom-wait"),
    ({"keep_minutes": -1}, "--dicom-keep"),
    ({"disk_bytes": 0}, "--dicom-disk"), ({"credentials": "Bearer x"}, "--stow"),
    ({"send": Peer("A", "h", 1), "stow": "http://127.0.0.1/dicom-web"}, "one of them"),
    ({"stow": "ftp://archive/x"}, "http"), ({"stow": "http:///x"}, "http"), ({"stow": "http://a b/"}, "http"),
    ({"stow": "http://archive:99999/"}, "http"), ({"stow": "http://[::1"}, "http"),
    ({"stow": "http://archive/x\r\nHost: other"}, "http"),
    ({"stow": f"https://user:{SECRET}@archive/x"}, "bare URL"),
    ({"stow": f"https://archive/x?token={SECRET}"}, "bare URL"),
    ({"stow": "http://archive/x", "credentials": f"Bearer {SECRET}"}, "https"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_a_sentence(changed, said):
    with pytest.raises(SettingsError, match=said) as refusal:
        options(**changed)
    assert SECRET not in str(refusal.value)


def test_beyond_this_machine_callers_must_be_named():
    assert options(host="0.0.0.0", allow=("ARCHIVE",)).allow == ("ARCHIVE",)
    assert options(host="localhost").allow == options(host="::1").allow == ()


def test_credentials_go_where_nobody_reads_along():
    for url in ("https://archive.example/dicom-web", "http://127.0.0.1:8042/dicom-web", "http://localhost/dicom-web"):
        assert SECRET not in repr(options(stow=url, credentials=f"Bearer {SECRET}"))


@pytest.mark.parametrize("text, peer", [
    ("ARCHIVE@10.0.0.2:104", Peer("ARCHIVE", "10.0.0.2", 104)),
    ("MY PACS@pacs.local:11112", Peer("MY PACS", "pacs.local", 11112)),
    ("A@[::1]:4242", Peer("A", "::1", 4242)),
])  # fmt: skip
def test_a_peer(text, peer):
    assert parse_peer(text) == peer


@pytest.mark.parametrize("text", ["ARCHIVE", "ARCHIVE@host", "@host:104", "A@host:0", "A@host:70000", "A@http://h:1",
                                  "SEVENTEEN LETTERS@h:1", "A@B@h:1"])  # fmt: skip
def test_what_is_no_peer(text):
    with pytest.raises(SettingsError):
        parse_peer(text)


@pytest.mark.parametrize("said, header", [
    (f"bearer {SECRET}\n", f"Bearer {SECRET}"), ("Basic orthanc:a b:c", "Basic b3J0aGFuYzphIGI6Yw=="),
])  # fmt: skip
def test_credentials_from_a_file_or_the_environment(tmp_path, monkeypatch, said, header):
    (tmp_path / "secret").write_text(said)
    monkeypatch.delenv(CREDENTIALS, raising=False)
    assert read_credentials() is None and read_credentials(tmp_path / "secret") == header
    monkeypatch.setenv(CREDENTIALS, said)
    assert read_credentials() == header


@pytest.mark.parametrize(
    "said", [SECRET, f"token {SECRET}", f"bearer {SECRET}\nX-Other: 1", f"basic {SECRET}", "bearer ", ""]
)
def test_credentials_that_are_none_are_not_repeated(tmp_path, said):
    (tmp_path / "secret").write_text(said)
    with pytest.raises(SettingsError) as refusal:
        read_credentials(tmp_path / "secret")
    assert SECRET not in str(refusal.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_credentials(tmp_path / "absent")
