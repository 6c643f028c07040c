"""The node's database: what it is said to hold is on the disk, and readable to this user alone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

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
