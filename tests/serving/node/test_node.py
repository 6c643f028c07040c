"""Films in, SRs out: once, to the right study, and without a word of the patient anywhere else."""

import io
import json
import logging
import tempfile
import threading
import time

import pydicom
import pytest

from mrg_llm.errors import SettingsError
from mrg_llm.exports import DraftReport
from mrg_llm.serving.node import NodeOptions, start_node
from tests.serving.node.played import BASIC_TEXT_SR, associate, fake_drafter, film, sent, uid


def settled(node, *states, timeout_s: float = 60.0):
    """The worklist once its studies are in these states, newest first."""
    until = time.monotonic() + timeout_s
    while [item["state"] for item in node.items()] != list(states):
        assert time.monotonic() < until, node.items()
        time.sleep(0.02)
    return node.items()


def test_a_study_gets_one_sr_of_the_same_study_and_patient(start, archive):
    node = start(send=archive.peer)
    assert sent(node.port, film(), film("study", 2)) == [0, 0]
    settled(node, "sent")
    (sr,) = archive.received
    assert (sr.SOPClassUID, sr.StudyInstanceUID, sr.PatientID) == (BASIC_TEXT_SR, uid("study"), "ID-study")
    assert sr.PatientName == "Secret^Person" and sr.CompletionFlag == "PARTIAL" and sr.PreliminaryFlag == "PRELIMINARY"
    (films,) = archive.reports()[uid("study")].values()
    assert films == {uid("study", "film", 1), uid("study", "film", 2)}


def test_the_same_study_twice_gives_one_sr_and_a_new_film_a_new_one(start, archive):
    node = start(send=archive.peer)
    for _ in range(2):
        assert sent(node.port, film(), film("study", 2)) == [0, 0]
        settled(node, "sent")
    assert sent(node.port, film("study", 3)) == [0]
    assert archive.wait_for(lambda it: len(it.received) == 2)
    settled(node, "sent")
    assert sorted(len(films) for films in archive.reports()[uid("study")].values()) == [2, 3]


def test_studies_do_not_mix(start, archive):
    node = start(send=archive.peer, wait_s=1)
    assert sent(node.port, *(film(study, number) for number in (1, 2) for study in "abc")) == [0] * 6
    assert archive.wait_for(lambda it: len(it.received) == 3)
    for study in "abc":
        (films,) = archive.reports()[uid(study)].values()
        assert films == {uid(study, "film", 1), uid(study, "film", 2)}


def test_a_restart_drafts_what_had_come_and_sends_what_was_drafted(start, archive, tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def slow(films):
        begun.set()
        go_on.wait(60)
        return fake_drafter(films)

    node = start(slow, send=archive.peer)
    sent(node.port, film())
    assert begun.wait(60)
    node.worker.stopping.set()
    go_on.set()
    node.stop()
    assert archive.received == []
    settled(start(send=archive.peer), "sent")
    assert len(archive.received) == 1


def test_without_an_archive_drafts_wait_in_the_worklist(start):
    node = start()
    sent(node.port, film(), film("study", 2))
    (item,) = settled(node, "drafted")
    assert item["films"] == 2 and item["kept"] and item["reason"] is None
    assert json.dumps(item) and uid("study") not in json.dumps(item)
    received = node.report(item["id"])
    assert received.draft.findings == "The heart is normal. 2 films were seen."
    assert received.draft.study.study_uid == uid("study") and "ID-study" not in repr(received)
    assert {pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID for data in received.films} == {
        uid("study", "film", 1), uid("study", "film", 2)}  # fmt: skip
    assert node.report("no such study") is None and node.counts() == {"drafted": 1}


def test_a_study_that_waits_or_whose_films_are_gone_has_no_report(start):
    node = start(keep_minutes=0)
    assert sent(node.port, film()) == [0]
    settled(node, "drafted")
    until = time.monotonic() + 60
    while list(node.store.films.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not node.items()[0]["kept"] and node.report(node.items()[0]["id"]) is None


def test_films_that_give_no_draft_give_no_sr(start, archive):
    from mrg_llm.errors import UnfamiliarError

    def abstains(films):
        raise UnfamiliarError("unlike the films of the training")

    node = start(abstains, send=archive.peer)
    sent(node.port, film())
    (item,) = settled(node, "failed")
    assert item["reason"] == "unfamiliar_film" and node.report(item["id"]) is None
    assert archive.received == []


def test_without_pynetdicom_the_extra_is_named(tmp_path, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"mrg-llm\[serve\]"):
        start_node(NodeOptions(0, tmp_path), fake_drafter)


def test_a_trained_model_of_ours_writes_for_the_archive(start, archive, tiny_model, tiny_settings):
    from mrg_llm.model.processing import NOT_A_DEVICE, Reporter

    reporter = Reporter(tiny_model, tiny_settings.decode, "tiny")
    node = start(lambda films: DraftReport(reporter.report(films), reporter.name, NOT_A_DEVICE), send=archive.peer)
    assert sent(node.port, film(), film("study", 2), film("broken", PixelData=b"12")) == [0, 0, 0]
    settled(node, "failed", "sent")
    (sr,) = archive.received
    assert NOT_A_DEVICE in sr.CompletionFlagDescription and "tiny" in sr.ManufacturerModelName
    assert node.report(node.items()[1]["id"]).draft.findings == reporter.report(
        node.store.read_films(node.items()[1]["id"])
    )
    assert node.items()[0]["reason"] == "unreadable_film"


def canaries(dataset: pydicom.Dataset, number: int) -> list[str]:
    """Put a word that stands nowhere else into 60 text tags of a film; the words."""
    from pydicom.datadict import DicomDictionary

    words = []
    kept = {*dataset.dir(), "SpecificCharacterSet", "TimezoneOffsetFromUTC"}
    for tag, (vr, multiplicity, _, retired, keyword) in sorted(DicomDictionary.items()):
        wanted = vr in ("LO", "LT", "PN", "SH", "ST", "UC", "UT") and multiplicity == "1" and not retired
        if wanted and keyword and keyword not in kept and 0x0008_0000 < tag < 0x0040_0000:
            words.append(f"Kanarie{len(words):02}x{number}")
            setattr(dataset, keyword, words[-1])
        if len(words) == 60:
            break
    return words


def test_sixty_canaries_are_in_no_log_name_or_temporary_file(start, archive, tmp_path, monkeypatch, caplog, capfd):
    """Of a film that is drafted, one whose drafter fails quoting it, one that is refused and one cut short."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def drafter(films):
        if any(b"ID-bad" in data for data in films):
            raise RuntimeError(films[0][:5000].decode("latin-1"))
        return fake_drafter(films)

    good, bad, refused = film("good"), film("bad"), film("refused", Modality="XC")
    words = [word for number, one in enumerate((good, bad, refused)) for word in canaries(one, number)]
    assert len(words) == 180
    words += ["Secret", "ID-good", "ID-bad", "SECRET-7", *(uid(name) for name in ("good", "bad", "refused"))]
    with caplog.at_level(logging.DEBUG):
        node = start(drafter, send=archive.peer, attempts=2, allow=("SENDER",))
        assert sent(node.port, good, bad, refused) == [0, 0, 0xA900]
        settled(node, "failed", "sent")
        archive.stop()
        associate(node.port, calling="Secret").kill()
        node.stop()
    written = capfd.readouterr()
    texts = [written.out, written.err, json.dumps(start().items())]
    texts += [record.getMessage() + str(record.exc_info) for record in caplog.records]
    texts += [str(path) for path in tmp_path.rglob("*")]
    assert sum(text.startswith("received study") for text in texts) == 2 and any(
        "RuntimeError" in text for text in texts
    )
    for word in words:
        assert not [text for text in texts if word in text], word
    assert list((tmp_path / "temporary").iterdir()) == []
    assert any(words[0].encode() in path.read_bytes() for path in (tmp_path / "node" / "films").iterdir())
