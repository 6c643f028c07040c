"""kill -9, at chosen and at random moments: every film that was answered for ends in one SR, sent once."""

import contextlib
import json
import os
import random
import subprocess
import sys
import threading

import pytest

from mrg_llm.serving.node.store import Store
from tests.conftest import REPOSITORY
from tests.serving.node.played import associate, film, uid
from tests.serving.node.process import MOMENTS

ROUNDS, NEW_STUDIES = 10, 3


@contextlib.contextmanager
def node_process(store, archive, die=None):
    """(process, port) of a node that is killed at the end, if it still lives."""
    told = json.dumps({"store": str(store), "archive": archive.peer.port, "die": die})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), *sys.path]))}
    process = subprocess.Popen([sys.executable, "-m", "tests.serving.node.process", told], cwd=REPOSITORY, text=True,
                               env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def send_until_it_dies(process, port, films: dict) -> None:
    """Send films (UID -> data set), and take out each that success was answered for."""
    association = None
    for name in list(films):
        if association is None or not association.is_established:
            if process.poll() is not None:
                return
            association = associate(port)
        with contextlib.suppress(RuntimeError, ValueError):  # there is no association any more
            if association.send_c_store(films[name]).get("Status") == 0:
                del films[name]
    if association and association.is_established:
        association.release()


def finish(store, archive, films: dict, studies: list[str]) -> None:
    """Start a node that nobody kills, give it what is left, and see what the archive has in the end."""
    with node_process(store, archive) as (process, port):
        send_until_it_dies(process, port, films)
        assert not films

        whole = {uid(study): set(study_films(study)) for study in studies}
        assert archive.wait_for(lambda it: all(whole[s] in it.reports().get(s, {}).values() for s in whole))
        process.stdin.close()
        assert process.wait(60) == 0
    kept = Store(store, wait_s=0, keep_s=0, disk_bytes=1, sends=True)
    try:
        assert kept.counts() == {"sent": len(studies)}
    finally:
        kept.close()
    for study, reports in archive.reports().items():
        seen = [frozenset(films) for films in reports.values()]
        assert len(seen) == len(set(seen)), (study, "films that have two SRs")


def study_films(study) -> dict:
    return {uid(study, "film", number): film(study, number) for number in (1, 2)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_the_worst_moments(tmp_path, archive, moment):
    films = study_films("study")
    with node_process(tmp_path / "node", archive, die=moment) as (process, port):
        send_until_it_dies(process, port, films)
        assert process.wait(60) == -9
    if "film" not in moment and "row" not in moment:
        assert not films
    finish(tmp_path / "node", archive, films, ["study"])
    (reports,) = archive.reports().values()
    assert len(reports) == 1 or "row" in moment or "film" in moment, "of the first film alone, when the second is late"


def test_killed_at_random_moments(tmp_path, archive):
    moments, films, studies = random.Random(7), {}, []
    for number in range(ROUNDS):
        for new in range(NEW_STUDIES):
            studies.append(f"{number}-{new}")
            films |= study_films(studies[-1])
        with node_process(tmp_path / "node", archive) as (process, port):
            killer = threading.Timer(moments.uniform(0.05, 0.8), process.kill)
            killer.start()
            send_until_it_dies(process, port, films)
            assert process.wait(60) == -9
            killer.join()
    finish(tmp_path / "node", archive, films, studies)
