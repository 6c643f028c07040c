"""What is taken, and with which status everything else is refused."""

import socket
import struct
import subprocess
import time

import pydicom
import pynetdicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from mrg_llm.errors import ResourceError
from mrg_llm.serving.node import NodeOptions, start_node
from mrg_llm.serving.node.receiver import transfer_syntaxes
from tests.serving.node.played import (
    BASIC_TEXT_SR,
    CT_STORAGE,
    TITLE,
    associate,
    fake_drafter,
    film,
    sent,
)

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def test_echo_and_store(start):
    node = start()
    association = associate(node.port, "1.2.840.10008.1.1")
    assert association.send_c_echo().Status == 0
    association.release()
    assert sent(node.port, film(), film("study", 2)) == [0, 0]
    (item,) = node.items()
    assert item["films"] == 2 and len(item["id"]) == 32


def test_other_classes_are_refused_at_the_association(start):
    association = associate(start().port, BASIC_TEXT_SR, CT_STORAGE, SECONDARY_CAPTURE)
    assert {str(cx.abstract_syntax): cx.result for cx in association.rejected_contexts} == {
        BASIC_TEXT_SR: 3, CT_STORAGE: 3}  # fmt: skip
    assert [str(cx.abstract_syntax) for cx in association.accepted_contexts] == [SECONDARY_CAPTURE]
    association.release()


def test_the_transfer_syntaxes_are_those_that_the_decoders_read(start):
    syntaxes = transfer_syntaxes()
    assert {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5", str(JPEG2000Lossless)} <= set(syntaxes)
    assert "1.2.840.10008.1.2.4.100" not in syntaxes, "MPEG-2"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_uncompressed_syntax_is_taken_as_it_comes(start, syntax):
    node = start()
    entity = pynetdicom.AE("SENDER")
    entity.add_requested_context("1.2.840.10008.5.1.4.1.1.1", syntax)
    association = entity.associate("127.0.0.1", node.port, ae_title=TITLE)
    assert association.send_c_store(film(syntax=syntax)).Status == 0
    association.release()
    (path,) = node.store.films.iterdir()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("tags, status", [
    ({"Modality": "CT"}, 0xA900), ({"Modality": "SR"}, 0xA900), ({"Modality": "XC"}, 0xA900),
    ({"NumberOfFrames": 2}, 0xA900), ({"SamplesPerPixel": 3}, 0xA900),
    ({"StudyInstanceUID": None}, 0xC000), ({"Modality": "OT"}, 0), ({"Modality": None}, 0), ({"NumberOfFrames": 1}, 0),
])  # fmt: skip
def test_what_is_no_film_is_refused_with_a_status(start, tags, status):
    node = start()
    assert sent(node.port, film(SOPClassUID=SECONDARY_CAPTURE, **tags)) == [status]
    assert len(node.items()) == (status == 0)


def test_an_object_that_is_not_what_the_request_says_is_refused(start, monkeypatch):
    node = start()
    association = associate(node.port)
    encode = pynetdicom.association.encode
    monkeypatch.setattr(pynetdicom.association, "encode", lambda given, *how: encode(film("another study"), *how))
    assert association.send_c_store(film()).Status == 0xA900
    association.release()
    assert node.items() == []


@pytest.mark.parametrize("garbage", [b"\0" * 64, b"\xff" * 5000, b"\x08\x00\x18\x00UI\xff\xff" + b"1" * 100])
def test_garbage_is_not_understood_and_the_next_film_is_taken(start, monkeypatch, garbage):
    node = start()
    association = associate(node.port)
    with monkeypatch.context() as patched:
        patched.setattr(pynetdicom.association, "encode", lambda *how: garbage)
        assert association.send_c_store(film()).Status in (0xC000, 0xA900)
    assert association.send_c_store(film()).Status == 0
    association.release()
    assert len(node.items()) == 1


def test_who_calls_another_name_or_is_not_allowed_is_rejected(start):
    node = start(allow=("SENDER",))
    assert associate(node.port, title="OTHER").is_rejected
    assert associate(node.port, calling="STRANGER").is_rejected
    association = associate(node.port)
    assert association.is_established
    association.release()


def test_a_full_store_says_out_of_resources_and_goes_on_later(start):
    node = start(disk_bytes=10_000, keep_minutes=0.03)
    assert sent(node.port, film(), film("study", 2), film("study", 3)) == [0, 0, 0xA700]
    until = time.monotonic() + 60
    while sent(node.port, film("study", 3)) != [0]:  # its films go soon after the draft was made
        assert time.monotonic() < until
        time.sleep(0.3)


def test_a_disk_that_fails_says_out_of_resources(start, monkeypatch):
    import os

    def full(handle):
        raise OSError(28, "No space left on device")

    node = start()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert sent(node.port, film()) == [0xA700]
    assert sent(node.port, film()) == [0]


def test_a_message_that_is_too_long_ends_its_association_and_no_other(start):
    node = start(film_bytes=1000)
    other = associate(node.port)
    assert sent(node.port, film(PixelData=bytes(3 * 2**20))) == [None]
    assert other.send_c_store(film()).Status == 0, "a message of less than the limit and what stands around it"
    other.release()


def test_a_claim_of_gigabytes_is_not_waited_for(start):
    node = start(timeout_s=0.5)
    with socket.create_connection(("127.0.0.1", node.port), timeout=30) as caller:
        caller.sendall(struct.pack(">BBL", 1, 0, 2**32 - 1) + b"x" * 1000)
        assert caller.recv(100) == b""
    assert sent(node.port, film()) == [0]


def test_callers_beyond_the_limit_are_turned_away(start):
    node = start(associations=2)
    held = [associate(node.port) for _ in range(2)]
    assert all(one.is_established for one in held)
    assert not associate(node.port).is_established
    for one in held:
        one.release()
    until = time.monotonic() + 30
    while not (again := associate(node.port)).is_established:
        assert time.monotonic() < until
    again.release()


def test_a_port_that_is_taken_is_said(start, tmp_path):
    with pytest.raises(ResourceError, match="--dicom-port"):
        start_node(NodeOptions(start().port, tmp_path / "other"), fake_drafter)


def test_storescu_of_dcmtk(start, tmp_path):
    import shutil

    if shutil.which("storescu") is None:
        pytest.skip("storescu (Debian: dcmtk) is not installed")
    node = start()
    film().save_as(tmp_path / "film.dcm", enforce_file_format=True)
    command = ["storescu", "-aec", TITLE, "127.0.0.1", str(node.port), str(tmp_path / "film.dcm")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(node.items()) == 1
