"""What stands around a node in these tests: films, a sender, an archive that takes C-STORE, a clock."""

from __future__ import annotations

import threading
from collections import defaultdict

import numpy as np
import pydicom
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt

from mrg_llm.exports import DraftReport
from mrg_llm.serving.node.options import Peer
from mrg_llm.serving.node.receiver import FILM_CLASSES
from tests.images.made import CR_STORAGE, dicom_set, ramp, to_bytes

TITLE = "MRG_LLM"
BASIC_TEXT_SR = UID("1.2.840.10008.5.1.4.1.1.88.11")
CT_STORAGE = UID("1.2.840.10008.5.1.4.1.1.2")


def uid(*names: object) -> UID:
    """The same names, the same UID."""
    return generate_uid(entropy_srcs=[str(name) for name in names])


def film(study: object = "study", number: int = 1, syntax: UID = ExplicitVRLittleEndian, **tags) -> pydicom.Dataset:
    """A small radiograph of a study; other tags as keywords."""
    identity = {"StudyInstanceUID": uid(study), "SeriesInstanceUID": uid(study, "series"),
                "SOPInstanceUID": uid(study, "film", number), "PatientID": f"ID-{study}"}  # fmt: skip
    dataset = dicom_set(np.roll(ramp(), 7 * number), syntax=syntax, **(identity | tags))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", uid("none"))
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CR_STORAGE)
    return dataset


def film_bytes(*what, **tags) -> bytes:
    return to_bytes(film(*what, **tags))


def fake_drafter(films: list[bytes]) -> DraftReport:
    return DraftReport(f"The heart is normal. {len(films)} films were seen.", "fake", "Draft by software.")


def associate(port: int, *classes: str, title: str = TITLE, calling: str = "SENDER"):
    """An association with a node, established or not."""
    entity = AE(calling)
    entity.dimse_timeout = 3  # a peer that is killed is noticed by this alone
    for storage_class in classes or FILM_CLASSES:
        entity.add_requested_context(storage_class, [ExplicitVRLittleEndian])
    return entity.associate("127.0.0.1", port, ae_title=title)


def sent(port: int, *films: pydicom.Dataset) -> list[int | None]:
    """The status of each C-STORE; None where there was no answer."""
    association = associate(port)
    if not association.is_established:
        return [None] * len(films)
    statuses = []
    for one in films:
        try:
            statuses.append(association.send_c_store(one).get("Status"))
        except RuntimeError:  # the association has ended
            statuses.append(None)
    if association.is_established:
        association.release()
    return statuses


class PlayedArchive:
    """Takes SRs by C-STORE. statuses: what it answers first; success when they are used up."""

    def __init__(self, statuses=(), classes=(BASIC_TEXT_SR,)):
        self.statuses, self.taken = list(statuses), threading.Condition()
        self.received: list[pydicom.Dataset] = []
        entity = AE("ARCHIVE")
        for storage_class in classes:
            entity.add_supported_context(storage_class)
        entity.require_called_aet = True
        self.entity = entity
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self.take)])
        self.peer = Peer("ARCHIVE", "127.0.0.1", self.server.server_address[1])

    def take(self, event):
        status = self.statuses.pop(0) if self.statuses else 0
        if not status or status >> 12 == 0xB:
            with self.taken:
                self.received.append(event.dataset)
                self.taken.notify_all()
        return status

    def wait_for(self, what, timeout_s: float = 60.0) -> bool:
        with self.taken:
            return self.taken.wait_for(lambda: what(self), timeout_s)

    def reports(self) -> dict[str, dict[str, set[str]]]:
        """Study UID -> UID of each SR -> the films that it refers to."""
        found: dict[str, dict[str, set[str]]] = defaultdict(dict)
        for sr in self.received:
            (evidence,) = sr.CurrentRequestedProcedureEvidenceSequence
            films = {str(one.ReferencedSOPInstanceUID) for series in evidence.ReferencedSeriesSequence
                     for one in series.ReferencedSOPSequence}  # fmt: skip
            found[str(sr.StudyInstanceUID)][str(sr.SOPInstanceUID)] = films
        return found

    def stop(self):
        self.entity.shutdown()


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self, now: float = 1_000_000.0):
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds
