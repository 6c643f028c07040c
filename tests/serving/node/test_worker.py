"""What is final, what is tried again and when, told by a fake clock: no thread is started."""

import logging
import time

import pytest

from mrg_llm.errors import ImageError, ResourceError, SettingsError, UnfamiliarError
from mrg_llm.serving.node.options import NodeOptions
from mrg_llm.serving.node.sending import NotSent
from mrg_llm.serving.node.store import Arrival, Store
from mrg_llm.serving.node.worker import Worker
from tests.serving.node.played import Clock, fake_drafter, film_bytes

SECRET = "Secret^Person"


class Scripted:
    """Calls that raise what they are told to, and then succeed."""

    def __init__(self, *errors, then=lambda given: None):
        self.errors, self.then, self.calls = list(errors), then, 0

    def __call__(self, given):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.then(given)

    send = __call__


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def worker_of(tmp_path, clock):
    """worker_of(drafter, archive) with one study of one film that is complete."""
    stores = []

    def made(drafter=fake_drafter, archive=None, data=None):
        options = NodeOptions(0, tmp_path / "node", wait_s=0, attempts=4, retry_s=5, longest_retry_s=12, give_up_s=100)
        archive = archive or Scripted()
        stores.append(Store(options.store, wait_s=0, keep_s=60, disk_bytes=10**9, sends=True, clock=clock))
        stores[-1].add(Arrival("study", "film", "content", data or film_bytes()))
        return Worker(stores[-1], drafter, archive, options)

    yield made
    for store in stores:
        store.close()


def outcome(worker):
    (item,) = worker.store.items()
    return item.state, item.reason


def pauses(worker, step, clock) -> list[float]:
    """Seconds between the attempts of a step, until it is done or has failed."""
    found = []
    while step():
        due = worker.store.next_due("waiting") or worker.store.next_due("drafted")
        if due is None or due <= clock():
            break
        found.append(due - clock())
        assert not step(), "nothing is due before its time"
        clock.pass_(found[-1])
    return found


def test_a_study_is_drafted_and_sent(worker_of):
    archive = Scripted()
    worker = worker_of(archive=archive)
    assert worker.draft_one() and outcome(worker) == ("drafted", None)
    assert worker.send_one() and outcome(worker) == ("sent", None)
    assert not worker.draft_one() and not worker.send_one() and archive.calls == 1


@pytest.mark.parametrize("error, reason", [
    (UnfamiliarError(SECRET), "unfamiliar_film"), (ImageError(SECRET), "unreadable_film"),
    (SettingsError(SECRET), "not_accepted"),
])  # fmt: skip
def test_films_that_give_no_draft_fail_at_once_and_for_good(worker_of, caplog, clock, error, reason):
    drafter, archive = Scripted(error, then=fake_drafter), Scripted()
    worker = worker_of(drafter, archive)
    with caplog.at_level(logging.DEBUG):
        assert worker.draft_one() and outcome(worker) == ("failed", reason)
    clock.pass_(30)
    assert not worker.draft_one() and not worker.send_one()
    assert drafter.calls == 1 and archive.calls == 0 and SECRET not in caplog.text and reason in caplog.text


@pytest.mark.parametrize("tags, reason", [({"SeriesInstanceUID": None}, "unnamed_films")])
def test_films_that_name_no_series_get_no_report(worker_of, tags, reason):
    drafter = Scripted(then=fake_drafter)
    worker = worker_of(drafter, data=film_bytes(**tags))
    assert worker.draft_one() and outcome(worker) == ("failed", reason) and drafter.calls == 0


def test_films_of_two_patients_get_no_report(worker_of):
    worker = worker_of()
    worker.store.add(Arrival("study", "other", "other-content", film_bytes("study", 2, PatientID="SOMEBODY-ELSE")))
    assert worker.draft_one() and outcome(worker) == ("failed", "contradictory_films")


def test_a_study_that_no_memory_can_hold_is_not_read(worker_of, monkeypatch):
    from mrg_llm.serving.node import worker as module

    monkeypatch.setattr(module, "MAX_ZIP_BYTES", 100)
    worker = worker_of()
    assert worker.draft_one() and outcome(worker) == ("failed", "too_large")


def test_a_film_whose_file_is_gone_fails_in_the_end(worker_of, clock):
    worker = worker_of()
    for path in worker.store.films.iterdir():
        path.unlink()
    pauses(worker, worker.draft_one, clock)
    assert outcome(worker) == ("failed", "draft_error")


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError, ResourceError])
def test_a_draft_that_fails_for_another_reason_is_tried_again_after_pauses_that_double(worker_of, clock, caplog, kind):
    worker = worker_of(Scripted(*[kind(SECRET)] * 3, then=fake_drafter))
    with caplog.at_level(logging.DEBUG):
        assert pauses(worker, worker.draft_one, clock) == [5, 10, 12]
    assert outcome(worker) == ("drafted", None) and SECRET not in caplog.text


def test_a_draft_is_not_tried_for_ever(worker_of, clock):
    drafter = Scripted(*[RuntimeError()] * 100)
    worker = worker_of(drafter)
    assert pauses(worker, worker.draft_one, clock) == [5, 10, 12]
    assert outcome(worker) == ("failed", "draft_error") and drafter.calls == 4


def test_films_that_end_the_process_are_not_tried_for_ever(worker_of, clock):
    worker = worker_of()
    for _ in range(4):
        worker.store.claim()
        worker.store.recover()
    worker.drafter = Scripted(*[RuntimeError()] * 100)
    worker.draft_one()
    assert outcome(worker) == ("failed", "draft_error") and worker.drafter.calls <= 1


def test_an_archive_that_is_away_is_tried_until_it_is_given_up(worker_of, clock):
    archive = Scripted(*[NotSent("unreachable", again=True)] * 100)
    worker = worker_of(archive=archive)
    worker.draft_one()
    waits = pauses(worker, worker.send_one, clock)
    assert waits[:4] == [5, 10, 12, 12] and sum(waits) > 100
    assert outcome(worker) == ("failed", "archive_unreachable")
    assert archive.calls == len(waits) + 1


def test_an_archive_that_comes_back_gets_the_same_bytes(worker_of, clock):
    taken = []
    worker = worker_of(archive=Scripted(NotSent("status A700", again=True), then=taken.append))
    worker.draft_one()
    first = worker.store.outgoing().sr
    assert pauses(worker, worker.send_one, clock) == [5]
    assert outcome(worker) == ("sent", None) and taken == [first]


def test_an_archive_that_refuses_is_not_asked_again(worker_of, clock):
    archive = Scripted(NotSent("status A900", again=False))
    worker = worker_of(archive=archive)
    worker.draft_one()
    assert pauses(worker, worker.send_one, clock) == []
    assert outcome(worker) == ("failed", "archive_refused") and archive.calls == 1


def test_a_step_that_fails_does_not_end_the_others(worker_of, caplog):
    worker = worker_of()
    worker.store.close()
    worker.drafting.start()
    until = time.monotonic() + 60
    while "step failed" not in caplog.text:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert worker.drafting.is_alive()
    worker.stop()
    assert not worker.drafting.is_alive()


def test_films_go_a_while_after_the_report_was_sent(worker_of, clock):
    worker = worker_of()
    worker.draft_one()
    worker.send_one()
    clock.pass_(59)
    worker.draft_one()
    assert worker.store.read_films("study")
    assert worker.next_draft() == clock() + 1
    clock.pass_(1)
    worker.draft_one()
    assert worker.store.read_films("study") == []
