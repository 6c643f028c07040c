"""C-STORE and C-ECHO -> films in the store (a DICOM storage SCP, PS3.4 annex B).

Success is answered for what will not be lost, and for nothing else: what is no film of a chest is refused, at the
association where its class says so, else with a status. docs/dicom-node.md lists them.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from mrg_llm.errors import ResourceError
from mrg_llm.images.dicom import MODALITIES
from mrg_llm.images.heads import head_elements
from mrg_llm.images.limits import MAX_FRAMES
from mrg_llm.serving.node.association import Limits, limited_server, quiet_pynetdicom
from mrg_llm.serving.node.options import NodeOptions
from mrg_llm.serving.node.store import Arrival, Store, StoreFull, hashed

SUCCESS, PROCESSING_FAILURE, OUT_OF_RESOURCES, NOT_OF_CLASS, NOT_UNDERSTOOD = 0x0000, 0x0110, 0xA700, 0xA900, 0xC000
FILM_CLASSES = ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7")  # CR, DX, SC
VERIFICATION = "1.2.840.10008.1.1"
HEAD_BYTES = 2**20  # the tags that are looked at stand there or nowhere; private elements may lie before them
LOOKED_AT = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality", "NumberOfFrames", "SamplesPerPixel")
POLL_S = 0.1  # between looks at whether to stop
STOP_S = 10.0  # for senders to end what they are at
PDU_BYTES = 131_072
log = logging.getLogger("mrg_llm.serving.node")


class Refusal(Exception):
    """An object that is not taken. status: of the C-STORE response. why: without a word of the object."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Receiver:
    """The listening side. `told` is called after each film that is new."""

    def __init__(self, store: Store, options: NodeOptions, told: Callable[[], None]) -> None:
        from pynetdicom import AE, evt

        quiet_pynetdicom()
        self.store, self.options, self.told = store, options, told
        self.entity = AE(options.title)
        self.entity.require_called_aet = True
        self.entity.require_calling_aet = list(options.allow)
        self.entity.maximum_associations = options.associations
        self.entity.maximum_pdu_size = PDU_BYTES
        self.entity.acse_timeout = self.entity.dimse_timeout = self.entity.network_timeout = options.timeout_s
        self.entity.add_supported_context(VERIFICATION)
        for film_class in FILM_CLASSES:
            self.entity.add_supported_context(film_class, transfer_syntaxes())
        handlers: list[Any] = [(evt.EVT_C_STORE, self.on_store), (evt.EVT_C_ECHO, self.on_echo)]
        try:
            self.server = self.entity.make_server(
                (options.host, options.port), evt_handlers=handlers, server_class=limited_server(),
                limits=Limits(options.film_bytes, options.associations, options.timeout_s),
            )  # fmt: skip
        except OSError as error:
            raise ResourceError(
                f"{options.host}, port {options.port} cannot be listened on ({error.strerror}); is another node there? "
                "Give another --dicom-port"
            ) from None
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(POLL_S,), name="dicom-receiver", daemon=True
        )
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def stop(self) -> None:
        """Take no further call; those that are on have a while to end. What is cut off then was not answered."""
        self.server.shutdown()
        until = time.monotonic() + STOP_S
        while (on := self.server.active_associations) and time.monotonic() < until:
            on[0].join(0.1)
        for association in self.server.active_associations:
            association.abort()

    def on_echo(self, event: Any) -> int:
        restart_meter(event)
        return SUCCESS

    def on_store(self, event: Any) -> Any:
        """A status, or a data set with one and a comment."""
        try:
            arrival = read_arrival(event)
            new = self.store.add(arrival)
        except Refusal as refusal:
            log.info("refused status=%04X why=%r", refusal.status, refusal.why)
            return refused(refusal.status, refusal.why)
        except (StoreFull, OSError, sqlite3.Error) as error:
            log.error("out of resources (%s): a film was not taken", type(error).__name__)
            return refused(OUT_OF_RESOURCES, "the store is full; send it again later")
        except Exception as error:  # its text may quote the object
            log.error("processing failure (%s): an object was not taken", type(error).__name__)
            return refused(PROCESSING_FAILURE, "the object could not be processed")
        finally:
            restart_meter(event)
        log.info("received study=%s bytes=%d new=%s", arrival.study, len(arrival.data), new)
        self.told()
        return SUCCESS


def read_arrival(event: Any) -> Arrival:
    """What a C-STORE request brings. Raises Refusal."""
    request, data = event.request, event.encoded_dataset()
    try:
        dataset = head_elements(data[:HEAD_BYTES], LOOKED_AT)
        head = {keyword: str(dataset.get(keyword) or "").strip(" \0") for keyword in LOOKED_AT}
    except Exception:  # pydicom raises many kinds
        raise Refusal(NOT_UNDERSTOOD, "the data set cannot be read") from None
    if not head["StudyInstanceUID"] or not head["SOPInstanceUID"]:
        raise Refusal(NOT_UNDERSTOOD, "the data set does not name its study and itself")
    if (head["SOPClassUID"], head["SOPInstanceUID"]) != (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID):
        raise Refusal(NOT_OF_CLASS, "the data set is not the object that the request names")
    if head["Modality"] and head["Modality"].upper() not in MODALITIES:
        raise Refusal(NOT_OF_CLASS, f"the modality is none of {', '.join(MODALITIES)}")
    if head["NumberOfFrames"] not in ("", *(str(frames) for frames in range(MAX_FRAMES + 1))):
        raise Refusal(NOT_OF_CLASS, "the object has several frames")
    if head["SamplesPerPixel"] not in ("", "1"):
        raise Refusal(NOT_OF_CLASS, "the object is in colour")
    content = hashlib.sha256(event.context.transfer_syntax.encode() + b"\0")
    content.update(request.DataSet.getbuffer())
    return Arrival(hashed(head["StudyInstanceUID"]), hashed(head["SOPInstanceUID"]), content.hexdigest(), data)


def transfer_syntaxes() -> list[str]:
    """What the decoders that are installed read, uncompressed ones first: of several the first is taken."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import (
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
    )

    from mrg_llm.images.decoders import DECODERS

    plain = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
    decoded = [syntax for plugin, syntaxes in DECODERS.items() for syntax in syntaxes
               if plugin in get_decoder(syntax).available_plugins]  # fmt: skip
    return [*plain, *decoded]


def refused(status: int, why: str) -> Any:
    import pydicom

    answer = pydicom.Dataset()
    answer.Status, answer.ErrorComment = status, why[:64]
    return answer


def restart_meter(event: Any) -> None:
    """The next message of this association may be as long again."""
    event.assoc.dul.socket.socket.restart()
