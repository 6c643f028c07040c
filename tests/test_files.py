"""Whole or not at all: what a path holds after errors, kills and the writers beside it."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from mrg_llm.files import aside_of, locked, sync_folder, write_whole, written_whole

HOW = [{}, {"shared": True}, {"durable": False}, {"durable": False, "shared": True}]


@pytest.mark.parametrize("how", HOW)
def test_the_new_takes_the_place_of_the_old_and_nothing_is_left_beside(tmp_path, how):
    path = tmp_path / "file"
    for data in (b"old", b"new"):
        write_whole(path, data, **how)
        assert path.read_bytes() == data and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("how", HOW)
def test_an_error_while_writing_leaves_all_as_it_was(tmp_path, how):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), written_whole(path, **how) as file:
        file.write(b"ne")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_all_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    write_whole(path, b"new", durable=False)
    assert path.read_bytes() == b"new", "nothing waits for the disk"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills at once")
def test_a_kill_before_the_name_is_given_leaves_the_old_and_the_next_call_uses_up_what_lies_beside(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import os, pathlib, signal, sys; from mrg_llm.files import write_whole; "
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL); "
        "write_whole(pathlib.Path(sys.argv[1]), b'new')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old" and aside_of(path).read_bytes() == b"new"
    write_whole(path, b"newest")
    assert path.read_bytes() == b"newest" and list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_it_has_the_name_and_the_name_after(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    sync = os.fsync

    def synced(handle):
        seen.append(("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file", path.exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    write_whole(path, b"new")
    assert seen == [("file", False), ("folder", True)]


def test_two_writers_of_one_path_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with written_whole(path, shared=True) as one, written_whole(path, shared=True) as other:
        one.write(b"one")
        other.write(b"the other")
    assert path.read_bytes() == b"one" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="permissions are those of POSIX")
def test_permissions_are_there_before_the_content_whatever_the_umask_or_a_killed_writer_left(tmp_path):
    path = tmp_path / "file"
    aside_of(path).write_bytes(b"left by a kill")
    aside_of(path).chmod(0o666)
    before = os.umask(0o077)
    try:
        for mode in (0o600, 0o644):
            with written_whole(path, mode=mode):
                assert stat.S_IMODE(aside_of(path).stat().st_mode) == mode
            assert stat.S_IMODE(path.stat().st_mode) == mode
        write_whole(path, b"")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_folder_that_cannot_be_synced(tmp_path, monkeypatch):
    def refused(number):
        def fsync(handle):
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", refused(22))
    sync_folder(tmp_path)  # a network disk that knows no such thing
    monkeypatch.setattr(os, "fsync", refused(5))
    with pytest.raises(OSError, match=r"5"):
        sync_folder(tmp_path)


def test_where_there_is_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "absent" / "file", b"")


def test_a_folder_is_had_by_one_at_a_time(tmp_path):
    with locked(tmp_path) as first, locked(tmp_path, wait=False) as second:
        assert first and not second
    with locked(tmp_path, wait=False) as free:
        assert free
