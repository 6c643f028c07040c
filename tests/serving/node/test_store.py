"""What is kept is kept, in order, once; and goes when its time is over."""

import errno
import os
import sqlite3
import stat
import threading

import pytest

from mrg_llm.errors import ResourceError
from mrg_llm.serving.node.store import REMEMBER_S, Arrival, Store, StoreFull
from tests.serving.node.played import Clock

SECRET = "Secret findings of somebody"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(tmp_path, clock):
    """opened() -> the store of this test, after a restart if it was open before."""
    stores = []

    def again(**changes):
        for store in stores:
            store.close()
        values = {"wait_s": 30, "keep_s": 600, "disk_bytes": 100, "sends": True, "clock": clock} | changes
        stores.append(Store(tmp_path / "node", **values))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened):
    return opened()


def arrival(film="f1", study="s1", content=None, data=b"pixels") -> Arrival:
    return Arrival(study, film, content or f"{film}-content", data)


def drafted(store, clock, sr_id="uid"):
    clock.pass_(30)
    job = store.claim()
    return store.drafted(job, SECRET, b"SR " + SECRET.encode(), sr_id)


def sent(store, clock, sr_id="uid"):
    assert drafted(store, clock, sr_id) == "drafted"
    store.sent(store.outgoing(), sr_id)


def state(store, study="s1"):
    return next(item.state for item in store.items() if item.id == study)


def test_a_study_is_complete_when_no_new_film_came_for_a_while(store, clock):
    store.add(arrival("f1"))
    clock.pass_(29)
    assert store.claim() is None and store.next_due("waiting") == clock() + 1
    store.add(arrival("f2"))
    clock.pass_(29)
    assert store.claim() is None
    assert not store.add(arrival("f1")), "the same film again is nothing new, and nobody waits for it"
    clock.pass_(1)
    assert store.claim().study == "s1" and state(store) == "drafting"
    assert store.claim() is None


def test_films_are_read_in_one_order_however_they_came(opened):
    store = opened()
    store.add(arrival("f2", data=b"two"))
    store.add(arrival("f1", data=b"one"))
    assert store.read_films("s1") == [b"one", b"two"]


def test_from_film_to_sent(store, clock):
    store.add(arrival())
    assert drafted(store, clock) == "drafted"
    job = store.outgoing()
    assert job.sr == b"SR " + SECRET.encode() and state(store) == "drafted"
    store.sent(job, "uid")
    assert state(store) == "sent" and store.outgoing() is None and store.draft("s1") == SECRET


def test_the_same_study_again_is_not_drafted_again(store, clock):
    store.add(arrival())
    sent(store, clock)
    assert not store.add(arrival())
    clock.pass_(31)
    assert store.claim() is None and state(store) == "sent"


def test_a_new_film_after_an_sr_gives_a_new_version(store, clock):
    store.add(arrival("f1"))
    sent(store, clock, "first")
    assert store.add(arrival("f2"))
    assert state(store) == "waiting" and store.draft("s1") is None
    sent(store, clock, "second")
    assert store.items()[0].films == 2


def test_a_film_that_was_changed_takes_the_place_of_the_old_one(store, clock):
    store.add(arrival("f1", content="old", data=b"old"))
    sent(store, clock)
    assert store.add(arrival("f1", content="new", data=b"new"))
    assert state(store) == "waiting" and store.read_films("s1") == [b"new"]
    assert [path.name for path in store.films.iterdir()] == ["new.dcm"]


def test_the_very_same_sr_is_not_sent_twice(store, clock):
    store.add(arrival("f1", content="little endian"))
    sent(store, clock, "uid")
    store.add(arrival("f1", content="big endian"))
    assert drafted(store, clock, "uid") == "sent"
    assert store.outgoing() is None and state(store) == "sent"


@pytest.mark.parametrize("when", ["drafting", "drafted"])
def test_a_film_that_comes_meanwhile_makes_what_is_done_obsolete(store, clock, when):
    store.add(arrival("f1"))
    clock.pass_(30)
    job = store.claim()
    if when == "drafted":
        store.drafted(job, SECRET, b"SR", "uid")
        job = store.outgoing()
    store.add(arrival("f2"))
    if when == "drafting":
        assert store.drafted(job, SECRET, b"SR", "uid") == ""
    else:
        store.sent(job, "uid")
    store.fail(job, "unreadable_film")
    assert state(store) == "waiting" and store.outgoing() is None


def test_a_restart_goes_on_where_it_was(opened, clock):
    store = opened()
    for study in ("s1", "s2", "s3"):
        store.add(arrival(f"film of {study}", study))
    clock.pass_(30)
    store.drafted(store.claim(), SECRET, b"SR", "uid")
    store.claim()
    store = opened()
    assert {study: state(store, study) for study in ("s1", "s2", "s3")} == {
        "s1": "drafted", "s2": "waiting", "s3": "waiting"}  # fmt: skip
    assert store.outgoing().study == "s1"
    assert store.claim().attempts == 2, "what ended the process counts"
    assert store.claim().attempts == 1


def test_a_clock_that_was_set_back_lets_nobody_wait_for_ever(opened, clock):
    opened().add(arrival())
    clock.pass_(-1e6)
    store = opened()
    clock.pass_(30)
    assert store.claim()


def test_after_a_start_only_films_that_were_answered_for_are_there(opened):
    store = opened()
    store.add(arrival("f1"))
    for name in ("f2-content.dcm", ".f3-content.dcm.partial"):
        (store.films / name).write_bytes(b"half a film")
    assert [path.name for path in opened().films.iterdir()] == ["f1-content.dcm"]


def test_films_and_texts_go_when_their_time_is_over(store, clock, tmp_path):
    store.add(arrival())
    sent(store, clock)
    clock.pass_(599)
    assert store.purge() == 0 and store.read_films("s1")
    clock.pass_(1)
    assert store.next_purge() == clock() and store.purge() == 1
    assert not list(store.films.iterdir()) and store.draft("s1") is None and store.read_films("s1") == []
    for file in (tmp_path / "node").iterdir():
        assert file.is_dir() or SECRET.encode() not in file.read_bytes(), file
    assert state(store) == "sent" and not store.items()[0].kept
    assert not store.add(arrival()), "its hash is remembered"


def test_a_film_that_was_deleted_is_there_again_for_the_version_that_a_new_one_makes(store, clock):
    store.add(arrival("f1", data=b"one"))
    sent(store, clock)
    clock.pass_(600)
    store.purge()
    store.add(arrival("f2", data=b"two"))
    assert not store.add(arrival("f1", data=b"one"))
    assert store.read_films("s1") == [b"one", b"two"]
    sent(store, clock, "second")
    clock.pass_(600)
    store.purge()
    store.add(arrival("f1", data=b"one"))
    assert state(store) == "sent" and store.read_films("s1") == [b"one"]
    clock.pass_(600)
    assert store.purge() == 1 and store.read_films("s1") == []


def test_what_waits_or_is_to_be_sent_is_never_deleted(store, clock):
    store.add(arrival("f1", "s1"))
    drafted(store, clock)
    store.add(arrival("f2", "s2"))
    clock.pass_(10 * REMEMBER_S)
    assert store.purge() == 0 and len(store.items()) == 2 and store.held_bytes() == 12


def test_hashes_are_forgotten_in_the_end(store, clock):
    store.add(arrival())
    sent(store, clock)
    clock.pass_(REMEMBER_S + 1)
    store.purge()
    assert store.items() == [] and store.add(arrival())


def test_without_an_archive_drafts_are_kept_for_a_while_only(opened, clock):
    store = opened(sends=False)
    store.add(arrival())
    drafted(store, clock)
    clock.pass_(600)
    assert store.purge() == 1 and state(store) == "drafted" and store.outgoing() is None
    store = opened(sends=True)
    assert store.outgoing() is None, "there is nothing left to send"


@pytest.mark.parametrize("sends", [False, True])
def test_drafts_are_kept_as_long_as_this_start_says(opened, clock, sends):
    store = opened(sends=not sends)
    store.add(arrival())
    drafted(store, clock)
    store = opened(sends=sends)
    clock.pass_(600)
    assert store.purge() == (not sends) and bool(store.outgoing()) == sends


def test_a_film_that_comes_again_while_it_is_deleted_stays(store, clock, monkeypatch):
    store.add(arrival())
    sent(store, clock)
    clock.pass_(600)
    again = threading.Thread(target=store.add, args=(arrival(),))
    unlink = type(store.films).unlink

    def slow(path, **how):
        again.start()
        again.join(0.3)
        unlink(path, **how)

    monkeypatch.setattr(type(store.films), "unlink", slow)
    store.purge()
    again.join()
    assert store.read_films("s1") == [b"pixels"]


def test_a_failed_study_that_is_sent_again_is_tried_again(store, clock):
    store.add(arrival())
    clock.pass_(30)
    store.fail(store.claim(), "unreadable_film")
    assert store.items()[0].reason == "unreadable_film" and store.claim() is None
    store.add(arrival())
    clock.pass_(30)
    assert store.claim() and store.items()[0].reason is None


def test_a_full_store_takes_no_film_until_there_is_room(store, clock):
    store.add(arrival("f1", "s1", data=b"x" * 60))
    sent(store, clock)
    with pytest.raises(StoreFull):
        store.add(arrival("f2", "s2", data=b"x" * 60))
    assert len(store.items()) == 1 and len(list(store.films.iterdir())) == 1
    clock.pass_(600)
    store.purge()
    assert store.add(arrival("f2", "s2", data=b"x" * 60))


def test_where_the_disk_fails_nothing_is_kept(store, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError):
            store.add(arrival())
    assert store.items() == [] and not list(store.films.iterdir())
    assert store.add(arrival())


def test_where_the_queue_fails_nothing_is_kept(store, monkeypatch):
    def full(*row):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store, "enter", full)
        with pytest.raises(sqlite3.OperationalError):
            store.add(arrival())
    assert store.items() == [] and not list(store.films.iterdir())
    assert store.add(arrival())


def test_everything_is_private(store, tmp_path):
    store.add(arrival())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "node").rglob("*")}
    assert set(modes) >= {"films", "node.sqlite", "node.sqlite-wal", "f1-content.dcm"}
    assert modes.pop("films") == stat.S_IMODE((tmp_path / "node").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}


def test_two_nodes_cannot_have_one_store(store, tmp_path):
    with pytest.raises(ResourceError, match="no other node uses"):
        Store(tmp_path / "node", wait_s=1, keep_s=1, disk_bytes=1, sends=True)


def test_a_folder_that_cannot_be_had_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="--dicom-store"):
        Store(tmp_path / "file", wait_s=1, keep_s=1, disk_bytes=1, sends=True)
