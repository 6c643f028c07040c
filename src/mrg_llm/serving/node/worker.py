"""Complete studies -> drafts -> SRs -> the archive: two threads, so that a slow archive holds up no draft.

What is wrong with films is final: a state and a code. What may pass (memory, an archive that is away) is tried again
after pauses that double. Logs hold hashes, counts and codes.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from mrg_llm.errors import ImageError, InputError, ResourceError, UnfamiliarError
from mrg_llm.exports import DraftReport, read_identity, render
from mrg_llm.images.limits import MAX_ZIP_BYTES
from mrg_llm.serving.node.options import NodeOptions
from mrg_llm.serving.node.sending import Archive, NotSent
from mrg_llm.serving.node.store import Job, Outgoing, Store, hashed
from mrg_llm.serving.node.worklist import packed

Drafter = Callable[[list[bytes]], DraftReport]
LONGEST_SLEEP_S = 60.0  # the clock may be set
STOP_S = 30.0
log = logging.getLogger("mrg_llm.serving.node")


class Unsuited(Exception):
    """Films of which no draft will ever be made. reason: a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Worker:
    """`start` it, `wake` it when something came, `stop` it; or take single steps, as tests do."""

    def __init__(self, store: Store, drafter: Drafter, archive: Archive | None, options: NodeOptions) -> None:
        self.store, self.drafter, self.archive, self.options = store, drafter, archive, options
        self.stopping = threading.Event()
        self.drafting = Loop("dicom-drafting", self.draft_one, self.next_draft, self)
        self.sending = Loop("dicom-sending", self.send_one, lambda: store.next_due("drafted"), self)

    def start(self) -> None:
        self.drafting.start()
        if self.archive:
            self.sending.start()

    def wake(self) -> None:
        self.drafting.woken.set()
        self.sending.woken.set()

    def stop(self) -> None:
        """What is being done is ended, if it does not take too long; all else goes on after the next start."""
        self.stopping.set()
        self.wake()
        until = time.monotonic() + STOP_S
        for thread in (self.drafting, self.sending):
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def draft_one(self) -> bool:
        """Draft a study that is complete; False where there is none."""
        self.store.purge()
        job = self.store.claim()
        if job is None:
            return False
        begun = time.perf_counter()
        try:
            if self.store.study_bytes(job.study) > MAX_ZIP_BYTES:
                raise Unsuited("too_large")
            films = self.store.read_films(job.study)
            draft = drafted(self.drafter, films)
            sr = render(draft, "dicom-sr")
        except Unsuited as unsuited:
            self.fail(job, unsuited.reason)
        except Exception as error:  # a drafter can raise anything, and its text may quote films
            self.try_again(job, error)
        else:
            state = self.store.drafted(job, packed(draft), sr, hashed(instance_uid(sr)))
            log.info("drafted study=%s films=%d seconds=%.1f state=%s", job.study, len(films),
                     time.perf_counter() - begun, state or "superseded")  # fmt: skip
            self.sending.woken.set()
        return True

    def next_draft(self) -> float | None:
        """When a study is complete, or one has to be deleted."""
        return min((at for at in (self.store.next_due("waiting"), self.store.next_purge()) if at), default=None)

    def send_one(self) -> bool:
        """Send a draft that is due; False where there is none."""
        job = self.store.outgoing()
        if job is None or self.archive is None:
            return False
        try:
            self.archive.send(job.sr)
        except NotSent as error:
            self.send_again(job, error)
        except Exception as error:  # a network raises many kinds
            self.send_again(job, NotSent(type(error).__name__, again=True))
        else:
            self.store.sent(job, hashed(instance_uid(job.sr)))
            log.info("sent study=%s attempts=%d", job.study, job.attempts)
        return True

    def try_again(self, job: Job, error: Exception) -> None:
        if job.attempts >= self.options.attempts:
            self.fail(job, "draft_error")
            return
        pause = self.pause_s(job.attempts)
        log.warning("no draft study=%s error=%s attempts=%d pause=%.0f", job.study, type(error).__name__, job.attempts,
                    pause)  # fmt: skip
        self.store.postpone(job, "waiting", pause)

    def send_again(self, job: Outgoing, error: NotSent) -> None:
        if not error.again:
            self.fail(job, "archive_refused", error.why)
        elif self.store.clock() - job.drafted_at > self.options.give_up_s:
            self.fail(job, "archive_unreachable", error.why)
        else:
            pause = self.pause_s(job.attempts)
            log.warning("not sent study=%s why=%r attempts=%d pause=%.0f", job.study, error.why, job.attempts, pause)
            self.store.postpone(job, "drafted", pause)

    def fail(self, job: Job, reason: str, why: str = "") -> None:
        log.error("failed study=%s reason=%s why=%r attempts=%d", job.study, reason, why, job.attempts)
        self.store.fail(job, reason)

    def pause_s(self, attempts: int) -> float:
        """Twice as long after each attempt, up to a limit."""
        return min(self.options.longest_retry_s, self.options.retry_s * 2.0 ** min(attempts - 1, 32))


class Loop(threading.Thread):
    """Takes steps while there are any, then sleeps until the next is due or it is woken."""

    def __init__(self, name: str, step: Callable[[], bool], due: Callable[[], float | None], worker: Worker) -> None:
        super().__init__(name=name, daemon=True)
        self.step, self.due, self.worker, self.woken = step, due, worker, threading.Event()

    def run(self) -> None:
        while not self.worker.stopping.is_set():
            self.woken.clear()
            try:
                if self.step():
                    continue
                due = self.due()
                pause = LONGEST_SLEEP_S if due is None else due - self.worker.store.clock()
            except Exception as error:  # the disk is full or broken, say: it may be mended, and the others go on
                log.error("%s: a step failed (%s)", self.name, type(error).__name__)
                pause = self.worker.options.retry_s
            self.woken.wait(min(max(pause, 0.01), LONGEST_SLEEP_S))


def drafted(drafter: Drafter, films: list[bytes]) -> DraftReport:
    """A draft that knows its study. Raises Unsuited, or whatever the drafter raises that may pass."""
    try:
        identity = read_identity(films) if films else None
    except ImageError:
        raise Unsuited("contradictory_films") from None
    if identity is None:
        raise Unsuited("unnamed_films")
    try:
        return replace(drafter(films), study=identity)
    except UnfamiliarError:
        raise Unsuited("unfamiliar_film") from None
    except ImageError:
        raise Unsuited("unreadable_film") from None
    except ResourceError:
        raise
    except InputError:
        raise Unsuited("not_accepted") from None


def instance_uid(sr: bytes) -> str:
    import pydicom

    return str(pydicom.dcmread(io.BytesIO(sr), specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
