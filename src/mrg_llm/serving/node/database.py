"""The node's database: what it is said to hold is on the disk, and readable to this user alone."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS studies (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT, version INTEGER NOT NULL, received_at REAL NOT NULL,
    attempts INTEGER NOT NULL, due_at REAL NOT NULL, drafted_at REAL, purge_at REAL,
    draft TEXT, sr BLOB, sr_id TEXT);
CREATE TABLE IF NOT EXISTS films (
    id TEXT PRIMARY KEY, study TEXT NOT NULL REFERENCES studies (id) ON DELETE CASCADE, content TEXT NOT NULL,
    bytes INTEGER NOT NULL, held INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sent (
    sr_id TEXT PRIMARY KEY, study TEXT NOT NULL REFERENCES studies (id) ON DELETE CASCADE, sent_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS films_of_study ON films (study);
"""


class Database:
    """Safe to call from several threads. Raises OSError or sqlite3.Error, also where another process has it."""

    def __init__(self, path: Path):
        self.lock, self.connection = threading.RLock(), opened(path)

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def all(self, query: str, *values: object) -> list[tuple]:
        with self.lock:
            return self.connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> tuple | None:
        with self.lock:
            return self.connection.execute(query, values).fetchone()

    def first(self, query: str, *values: object) -> Any:
        """The first value of the first row, None where there is none."""
        return (self.one(query, *values) or (None,))[0]

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on the disk when it ends; a transaction inside another belongs to it."""
        with self.lock:
            if self.connection.in_transaction:
                yield self.connection
                return
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    def empty_log(self) -> None:
        """What was overwritten must not stay readable in the log either."""
        with self.lock:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def opened(path: Path) -> sqlite3.Connection:
    """The database, for this process alone, readable to this user alone; every commit is synced."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
    # The lock is the process's: it ends with it, also by SIGKILL.
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "secure_delete = ON",
                   "foreign_keys = ON"):  # fmt: skip
        database.execute(f"PRAGMA {pragma}")
    database.executescript(SCHEMA)
    return database
