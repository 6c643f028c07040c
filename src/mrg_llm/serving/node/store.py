"""What a node has received and what became of it: films as files, everything else in an embedded SQLite queue.

    DIR/node.sqlite      one row a study: waiting -> drafting -> drafted -> sent | failed; one row a film
    DIR/films/HASH.dcm   as received

What `add` has returned for survives a power cut: the file is synced, then its row is committed, and only then does the
sender hear of success. A study's version grows with each new film, and a step that belongs to an older version changes
nothing. Ids and names of files are hashes; what a patient could be told by goes with the films after `keep_s`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mrg_llm.errors import ResourceError
from mrg_llm.files import sync_folder, write_whole
from mrg_llm.serving.node.database import Database

REMEMBER_S = 90 * 86_400.0  # hashes of what was received and sent, so that nothing is drafted twice
LISTED = 200


class StoreFull(Exception):
    """The films held have reached their limit."""


@dataclass(frozen=True)
class Arrival:
    """A film that came. study, film, content: hashes of its study's UID, of its own, and of all that it holds."""

    study: str
    film: str
    content: str
    data: bytes


@dataclass(frozen=True)
class Job:
    """A study that somebody works on. version: of the study when it was begun."""

    study: str
    version: int
    attempts: int


@dataclass(frozen=True)
class Outgoing(Job):
    """A draft to be sent: a DICOM file, drafted at (seconds of the epoch)."""

    sr: bytes
    drafted_at: float


@dataclass(frozen=True)
class Item:
    """A study as the worklist shows it. received_at: of its version's first film, seconds of the epoch."""

    id: str
    received_at: float
    films: int
    state: str
    reason: str | None
    kept: int  # 1 while its draft can be had


class Store:
    """Safe to call from several threads; `clock` gives seconds of the epoch.

    sends: drafts go to an archive; else they are final. Raises ResourceError where the folder cannot be had, or
    another node has it.
    """

    def __init__(
        self, folder: Path, *, wait_s: float, keep_s: float, disk_bytes: int, sends: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.films = folder / "films"
        self.wait_s, self.keep_s, self.disk_bytes, self.sends, self.clock = wait_s, keep_s, disk_bytes, sends, clock
        self.receiving = threading.Lock()
        try:
            self.films.mkdir(parents=True, exist_ok=True)
            for private in (folder, self.films):
                private.chmod(0o700)
                sync_folder(private.parent)
            self.database = Database(folder / "node.sqlite")
            self.recover()
        except (OSError, sqlite3.Error) as error:
            raise ResourceError(
                f"{folder} cannot be the node's store ({type(error).__name__}); give --dicom-store a folder that is "
                "yours to write and that no other node uses"
            ) from None

    def close(self) -> None:
        self.database.close()

    def add(self, arrival: Arrival) -> bool:
        """Keep a film for good; False where nothing of it is new. Raises StoreFull; OSError or sqlite3.Error where the
        disk is full or broken, and then nothing is kept."""
        with self.receiving:
            content, held = self.database.one("SELECT content, held FROM films WHERE id = ?", arrival.film) or (None, 0)
            new = content != arrival.content
            if new or not held:
                if self.held_bytes() + len(arrival.data) > self.disk_bytes:
                    raise StoreFull
                write_whole(self.path(arrival.content), arrival.data, mode=0o600)
            try:
                with self.database.transaction() as database:
                    self.enter(database, arrival, new)
            except sqlite3.Error:
                if new:
                    self.path(arrival.content).unlink(missing_ok=True)  # a full disk needs the room
                raise
            if content and new:
                self.path(content).unlink(missing_ok=True)
        return new

    def enter(self, database: sqlite3.Connection, arrival: Arrival, new: bool) -> None:
        """A film's row, and what it means for its study."""
        now = self.clock()
        database.execute(
            "INSERT INTO studies VALUES (?, 'waiting', NULL, 0, ?, 0, ?, NULL, NULL, NULL, NULL, NULL) "
            "ON CONFLICT DO NOTHING", (arrival.study, now, now + self.wait_s),
        )  # fmt: skip
        values = (arrival.film, arrival.study, arrival.content, len(arrival.data))
        database.execute("INSERT OR REPLACE INTO films VALUES (?, ?, ?, ?, 1)", values)
        # Sending a failed study again is how a person asks for another try.
        reopened = "1" if new else "state = 'failed'"
        database.execute(
            "UPDATE studies SET received_at = CASE WHEN state = 'waiting' THEN received_at ELSE ? END, "
            "state = 'waiting', reason = NULL, version = version + 1, attempts = 0, due_at = ?, purge_at = NULL, "
            f"draft = NULL, sr = NULL, sr_id = NULL WHERE id = ? AND {reopened}",
            (now, now + self.wait_s, arrival.study),
        )
        database.execute(  # a film whose file was gone: nothing new, but it must not lie here for ever
            "UPDATE studies SET purge_at = MAX(IFNULL(purge_at, 0), ?) "
            "WHERE id = ? AND (state = 'sent' OR state = 'drafted' AND NOT ?)",
            (now + self.keep_s, arrival.study, self.sends),
        )

    def claim(self) -> Job | None:
        """A study that is complete, now drafting. An attempt counts from here, also where it ends this process."""
        with self.database.transaction() as database:
            found = database.execute(
                "SELECT id, version, attempts + 1 FROM studies WHERE state = 'waiting' AND due_at <= ? "
                "ORDER BY due_at, id LIMIT 1", (self.clock(),),
            ).fetchone()  # fmt: skip
            if found is None:
                return None
            job = Job(*found)
            database.execute(
                "UPDATE studies SET state = 'drafting', attempts = ? WHERE id = ?", (job.attempts, job.study)
            )
        return job

    def read_films(self, study: str) -> list[bytes]:
        """The files of the films held, in an order that does not depend on how they came."""
        rows = self.database.all("SELECT content FROM films WHERE study = ? AND held ORDER BY id", study)
        return [self.path(name).read_bytes() for (name,) in rows]

    def drafted(self, job: Job, draft: str, sr: bytes, sr_id: str) -> str:
        """The state now: drafted; sent where the very same SR was sent before; "" where the study has moved on."""
        now = self.clock()
        state = "sent" if self.database.one("SELECT 1 FROM sent WHERE sr_id = ?", sr_id) else "drafted"
        purge_at = None if self.sends and state == "drafted" else now + self.keep_s
        changed = self.step(
            job, "state = ?, attempts = 0, drafted_at = ?, due_at = ?, purge_at = ?, draft = ?, sr = ?, sr_id = ?",
            state, now, now, purge_at, draft, sr, sr_id,
        )  # fmt: skip
        return state if changed else ""

    def outgoing(self) -> Outgoing | None:
        """A draft whose sending is due. It stays drafted until it is said to be sent."""
        found = self.database.one(
            "SELECT id, version, attempts + 1, sr, drafted_at FROM studies "
            "WHERE state = 'drafted' AND sr IS NOT NULL AND due_at <= ? ORDER BY due_at, id LIMIT 1", self.clock(),
        )  # fmt: skip
        return Outgoing(*found) if found else None

    def sent(self, job: Outgoing, sr_id: str) -> None:
        """The archive has it. This is noted also where the study has moved on meanwhile."""
        now = self.clock()
        with self.database.transaction() as database:
            database.execute("INSERT OR IGNORE INTO sent VALUES (?, ?, ?)", (sr_id, job.study, now))
            self.step(job, "state = 'sent', purge_at = ?", now + self.keep_s)

    def postpone(self, job: Job, state: str, pause_s: float) -> None:
        """Back to `state`, to be tried again after a pause."""
        self.step(job, "state = ?, attempts = ?, due_at = ?", state, job.attempts, self.clock() + pause_s)

    def fail(self, job: Job, reason: str) -> None:
        self.step(job, "state = 'failed', reason = ?, purge_at = ?", reason, self.clock() + self.keep_s)

    def purge(self) -> int:
        """Delete films and drafts whose time is over, and forget what is very old; how many studies that were."""
        now = self.clock()
        with self.receiving:  # a film that comes again must not be deleted as the one that was here before
            with self.database.transaction() as database:
                over = [row[0] for row in database.execute("SELECT id FROM studies WHERE purge_at <= ?", (now,))]
                files = []
                for study in over:
                    files += database.execute("SELECT content FROM films WHERE study = ? AND held", (study,)).fetchall()
                    database.execute("UPDATE films SET held = 0 WHERE study = ?", (study,))
                    database.execute(
                        "UPDATE studies SET purge_at = NULL, draft = NULL, sr = NULL WHERE id = ?", (study,)
                    )
                old = database.execute(
                    "DELETE FROM studies WHERE received_at < ? AND purge_at IS NULL AND sr IS NULL "
                    "AND state NOT IN ('waiting', 'drafting')", (now - REMEMBER_S,),
                ).rowcount  # fmt: skip
            for (content,) in files:
                self.path(content).unlink(missing_ok=True)
        if over or old:
            self.database.empty_log()
        return len(over)

    def recover(self) -> None:
        """After a start: what was begun goes on, and files whose receipt nobody was told of go."""
        now = self.clock()
        with self.database.transaction() as database:
            database.execute("UPDATE studies SET state = 'waiting', due_at = ? WHERE state = 'drafting'", (now,))
            database.execute("UPDATE studies SET due_at = ? WHERE state = 'drafted'", (now,))
            # A clock that was set back would make these wait for ever.
            database.execute("UPDATE studies SET due_at = MIN(due_at, ?) WHERE state = 'waiting'", (now + self.wait_s,))
            # Whether drafts are final may have changed.
            purge_at = "NULL" if self.sends else f"IFNULL(purge_at, {now + self.keep_s})"
            database.execute(f"UPDATE studies SET purge_at = {purge_at} WHERE state = 'drafted' AND sr IS NOT NULL")
            held = {name for (name,) in database.execute("SELECT content FROM films WHERE held")}
        for path in self.films.iterdir():
            if path.suffix != ".dcm" or path.stem not in held:
                path.unlink(missing_ok=True)

    def next_due(self, state: str) -> float | None:
        """When the first study in this state is; None for never."""
        return self.database.first(
            "SELECT MIN(due_at) FROM studies WHERE state = ? AND (sr IS NOT NULL OR ? != 'drafted')", state, state
        )

    def next_purge(self) -> float | None:
        return self.database.first("SELECT MIN(purge_at) FROM studies")

    def items(self) -> list[Item]:
        """The latest studies, newest first."""
        rows = self.database.all(
            "SELECT id, received_at, (SELECT COUNT(*) FROM films WHERE study = studies.id), state, reason, "
            "draft IS NOT NULL FROM studies ORDER BY received_at DESC, id LIMIT ?", LISTED,
        )  # fmt: skip
        return [Item(*row) for row in rows]

    def draft(self, study: str) -> str | None:
        """What `drafted` was given, while it is kept."""
        return self.database.first("SELECT draft FROM studies WHERE id = ?", study)

    def counts(self) -> dict[str, int]:
        """State -> how many studies."""
        return dict(self.database.all("SELECT state, COUNT(*) FROM studies GROUP BY state"))

    def held_bytes(self) -> int:
        return self.database.first("SELECT SUM(bytes) FROM films WHERE held") or 0

    def study_bytes(self, study: str) -> int:
        return self.database.first("SELECT SUM(bytes) FROM films WHERE study = ? AND held", study) or 0

    def path(self, content: str) -> Path:
        return self.films / f"{content}.dcm"

    def step(self, job: Job, assignments: str, *values: object) -> bool:
        """Change a study unless it has moved on since the job began."""
        where = "id = ? AND version = ? AND state IN ('drafting', 'drafted')"
        with self.database.transaction() as database:
            changed = database.execute(
                f"UPDATE studies SET {assignments} WHERE {where}", (*values, job.study, job.version)
            )
            return bool(changed.rowcount)


def hashed(uid: str) -> str:
    """32 hexadecimal digits of a UID's SHA-256: the id of a study, a film or an SR everywhere in the node."""
    return hashlib.sha256(uid.encode("utf-8", "replace")).hexdigest()[:32]
