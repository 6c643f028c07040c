"""A real archive: Orthanc of Debian with its DICOMweb plugin sends films to the node, and gets the SR both ways."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from mrg_llm.serving.node import Peer
from tests.conftest import REPOSITORY
from tests.serving.node.played import TITLE, film, film_bytes, uid
from tests.serving.node.test_node import settled

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
PASSWORD = "open sesame"

pytestmark = [
    pytest.mark.skipif(ORTHANC is None, reason="Orthanc (Debian: orthanc) is not installed"),
    pytest.mark.skipif(not PLUGIN.is_file(), reason="its DICOMweb plugin (Debian: orthanc-dicomweb) is not installed"),
]


class Orthanc:
    """A running Orthanc, spoken to by its REST interface."""

    def __init__(self, folder: Path, **more):
        self.dicom, self.web = free_ports(2)
        settings = {
            "Name": "test", "StorageDirectory": str(folder), "IndexDirectory": str(folder), "Plugins": [str(PLUGIN)],
            "DicomAet": "ORTHANC", "DicomPort": self.dicom, "DicomCheckCalledAet": True, "DicomAlwaysAllowStore": True,
            "HttpPort": self.web, "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
            "RegisteredUsers": {"node": PASSWORD}, "DicomModalities": {}, "DicomModalitiesInDatabase": True,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}, **more,
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self.log = (folder / "log").open("wb")
        command = [ORTHANC, str(folder / "orthanc.json")]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                self.ask("GET", "/system")
                return
            assert self.process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.1)

    def ask(self, method: str, path: str, body: bytes | dict | None = None):
        from base64 import b64encode

        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=60)
        headers = {"Authorization": "Basic " + b64encode(f"node:{PASSWORD}".encode()).decode()}
        connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status == 200, (path, answer.status, said)
        return json.loads(said or b"null")

    def send_study(self, study, port: int) -> None:
        """Its films to the node, as the archive's own rule would send them."""
        self.ask("PUT", "/modalities/mrg", {"AET": TITLE, "Host": "127.0.0.1", "Port": port})
        (found,) = self.ask("POST", "/tools/find", {"Level": "Study", "Query": {"StudyInstanceUID": uid(study)}})
        films = [one["ID"] for one in self.ask("GET", f"/studies/{found}/instances")
                 if one["MainDicomTags"]["SOPInstanceUID"] in {uid(study, "film", n) for n in (1, 2, 3)}]  # fmt: skip
        done = self.ask("POST", "/modalities/mrg/store", {"Resources": films, "Synchronous": True})
        assert done["FailedInstancesCount"] == 0 and done["InstancesCount"] == len(films)

    def reports(self) -> list[dict]:
        """The tags of every SR."""
        found = self.ask("POST", "/tools/find", {"Level": "Series", "Query": {"Modality": "SR"}, "Expand": True})
        instances = [instance for series in found for instance in series["Instances"]]
        return [self.ask("GET", f"/instances/{instance}/simplified-tags") for instance in instances]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.log.close()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    running = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield running
    running.stop()


@pytest.mark.parametrize("way", ["c-store", "stow"])
def test_films_out_of_an_archive_and_the_report_back_into_it(orthanc, start, way):
    from base64 import b64encode

    if way == "c-store":
        back = {"send": Peer("ORTHANC", "127.0.0.1", orthanc.dicom)}
    else:
        basic = "Basic " + b64encode(f"node:{PASSWORD}".encode()).decode()
        back = {"stow": f"http://127.0.0.1:{orthanc.web}/dicom-web", "credentials": basic}
    node = start(wait_s=1, **back)
    for number in (1, 2):
        orthanc.ask("POST", "/instances", film_bytes(way, number))
    for _ in range(2):  # the same study twice
        orthanc.send_study(way, node.port)
        settled(node, "sent")
    (sr,) = [sr for sr in orthanc.reports() if sr["StudyInstanceUID"] == uid(way)]
    original = film(way)
    assert (sr["PatientID"], sr["PatientName"]) == (original.PatientID, str(original.PatientName))
    assert (sr["CompletionFlag"], sr["PreliminaryFlag"], sr["VerificationFlag"]) == (
        "PARTIAL", "PRELIMINARY", "UNVERIFIED")  # fmt: skip
    assert "2 films were seen." in json.dumps(sr["ContentSequence"])
    (study,) = orthanc.ask("POST", "/tools/find", {
        "Level": "Study", "Query": {"StudyInstanceUID": uid(way)}, "Expand": True})  # fmt: skip
    modalities = [orthanc.ask("GET", f"/series/{series}")["MainDicomTags"]["Modality"] for series in study["Series"]]
    assert sorted(modalities) == ["DX", "SR"] and study["ParentPatient"]

    orthanc.ask("POST", "/instances", film_bytes(way, 3))
    orthanc.send_study(way, node.port)
    settled(node, "sent")
    assert len([sr for sr in orthanc.reports() if sr["StudyInstanceUID"] == uid(way)]) == 2


def test_an_archive_that_is_down_gets_its_report_when_it_is_up_again(orthanc, start):
    node = start(send=Peer("ORTHANC", "127.0.0.1", *free_ports(1)), retry_s=0.2, longest_retry_s=0.5)
    orthanc.ask("POST", "/instances", film_bytes("down"))
    orthanc.send_study("down", node.port)
    settled(node, "drafted")
    node.worker.archive.peer = Peer("ORTHANC", "127.0.0.1", orthanc.dicom)
    settled(node, "sent")
    assert len([sr for sr in orthanc.reports() if sr["StudyInstanceUID"] == uid("down")]) == 1


def test_the_rule_of_the_documentation_sends_films_and_not_our_reports(tmp_path, start):
    text = (REPOSITORY / "docs" / "dicom-node.md").read_text()
    (tmp_path / "rule.lua").write_text("function OnStored" + text.split("function OnStored")[1].split("\n\n")[0])
    archive = Orthanc(tmp_path, LuaScripts=[str(tmp_path / "rule.lua")])
    try:
        node = start(send=Peer("ORTHANC", "127.0.0.1", archive.dicom), wait_s=1)
        archive.ask("PUT", "/modalities/mrg", {"AET": TITLE, "Host": "127.0.0.1", "Port": node.port})
        for number in (1, 2):
            archive.ask("POST", "/instances", film_bytes("rule", number))
        assert settled(node, "sent")[0]["films"] == 2
        assert len(archive.reports()) == 1
    finally:
        archive.stop()
