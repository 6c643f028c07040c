"""Dealing studies to train, val and test: (seed, patient) -> split, and nothing else.

A patient's studies stay together, a part of the data is dealt as the whole is, and the order of a file does not matter.
Shares hold on average: of a hundred patients about 70, 10 and 20 go to train, val and test.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from mrg_llm.errors import DataError
from mrg_llm.studies.study import SPLITS, Note, StudySet

SHARES = (0.7, 0.1, 0.2)  # of train, val and test, as R2Gen's of IU X-ray
SEED = 0


def split_for(patient: str, seed: int = SEED) -> str:
    """The split of a patient."""
    place = int.from_bytes(hashlib.sha256(f"{seed}:{patient}".encode()).digest()[:8]) / 2**64
    return SPLITS[0] if place < SHARES[0] else SPLITS[1] if place < SHARES[0] + SHARES[1] else SPLITS[2]


def dealt_by(split_by: str, studies: StudySet) -> StudySet:
    """The same studies in splits of our own. split_by: "seed" or "seed:N". A study without a patient is one of its own.

    Raises DataError for anything else.
    """
    seed = seed_of(split_by)
    moved = tuple(replace(study, split=split_for(study.patient or study.id, seed)) for study in studies)
    lone = tuple(study.id for study in studies if not study.patient)
    notes = [Note(f"split dealt by patient with seed {seed}", tuple(study.id for study in moved))]
    if lone:
        notes.append(Note("no patient known, dealt by the study's id", lone))
    return replace(studies, studies=moved, notes=(*about_other_things(studies), *notes), split_by=f"seed:{seed}")


def seed_of(split_by: str) -> int:
    word, colon, number = split_by.partition(":")
    if word != "seed" or (colon and not number.isdecimal()):
        raise DataError(f"--split-by is {split_by}, but must be seed or seed:NUMBER, for example seed:1")
    return int(number) if colon else SEED


def about_other_things(studies: StudySet) -> tuple[Note, ...]:
    """Notes but for those on the split that is replaced."""
    about_splits = ("split dealt", "no split column", "not in annotation.json, so in no split")
    return tuple(note for note in studies.notes if not note.rule.startswith(about_splits))
