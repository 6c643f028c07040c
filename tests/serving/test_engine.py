"""A real (random, tiny) model behind the service; and that nothing of a film's tags gets out."""

from __future__ import annotations

import json
import os
import tempfile

import numpy as np
import pytest

from mrg_llm.model.processing import Reporter
from mrg_llm.serving.audit import AuditFile
from mrg_llm.serving.engine import Display, ReporterEngine, over_film
from tests.exports.drafts import STUDY, films
from tests.exports.test_canaries import caged  # noqa: F401
from tests.images.made import dicom_set, ramp, to_bytes
from tests.serving.fakes import png


@pytest.fixture
def reporter(tiny_model, tiny_settings) -> Reporter:
    return Reporter(tiny_model, tiny_settings.decode, "tiny")


def test_a_study_of_two_films_with_its_maps_and_its_sr(served, reporter):
    client = served(ReporterEngine(reporter))
    report = client.post("/v1/reports", files=[("film", ("x", film)) for film in films()[:2]]).json()
    assert report["model"] == "tiny" and len(report["views"]) == 2
    assert report["findings"] == reporter.report(films()[:2])
    address = f"/v1/reports/{report['id']}"
    maps = client.get(f"{address}/maps").json()
    assert maps["sentences"] == len(report["sentences"]) == len(maps["maps"])
    assert all(len(sentence) == 2 for sentence in maps["maps"])
    film = client.get(f"{address}/films/0")
    assert len(film.content) == 2 * int(film.headers["x-rows"]) * int(film.headers["x-columns"])
    assert client.get(f"{address}/export?format=dicom-sr").content[128:132] == b"DICM"


def test_a_map_of_a_padded_square_is_cut_to_the_film():
    square = np.arange(16, dtype=np.uint8).reshape(4, 4)
    tall = Display(None, 40, 20, np.zeros((40, 20), np.uint16), 8)
    assert over_film(square, tall, "squash") is square
    cut = over_film(square, tall, "pad")
    assert cut.shape == (32, 16) and set(cut.ravel()) == {1, 2, 5, 6, 9, 10, 13, 14}, "the two middle columns"


def test_what_the_model_cannot_take_has_a_reason(served, reporter):
    client = served(ReporterEngine(reporter))

    def code(**asked) -> str:
        return client.post("/v1/reports", **asked).json()["error"]["code"]

    other = to_bytes(dicom_set(ramp(), StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.3.4", SeriesInstanceUID="1.2.5"))
    assert code(files=[("film", ("x", films()[0])), ("film", ("y", other))]) == "several_studies"
    assert code(content=png()[:60]) == "damaged_film"
    assert code(content=png(), params={"indication": "Cough"}) == "context_not_read"
    alike = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "1.2.5", "SOPInstanceUID": "1.2.3.4", "PatientID": "Other"}
    stranger = to_bytes(dicom_set(ramp(), **alike))
    assert code(files=[("film", ("x", films()[0])), ("film", ("y", stranger))]) == "contradictory_films"


def test_no_canary_sings(served, reporter, caged, tmp_path, caplog, capfd, monkeypatch):  # noqa: F811
    """A canary in every text tag; sound, damaged and contradictory films; every place where words come out."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    film, names = caged
    assert len(names) > 60
    audit = tmp_path / "audit"
    client = served(ReporterEngine(reporter), audit=AuditFile(audit))
    other = film.replace(b"Canary0001", b"Canary9991")
    bodies = [
        {"content": film}, {"content": film[:-5000]}, {"content": film[:3000]},
        {"content": film.replace(b"\x28\0\x10", b"")},
        {"files": [("Canary", ("Canary.dcm", film)), ("film", ("Canary", other))]},
        {"content": film, "params": {"indication": "CanarySaid", "anyway": "Canary"}},
        {"content": film, "params": {"prior": "CanarySaid"}},
        {"content": film, "headers": {"Accept": "text/event-stream", "X-Canary": "Canary"}},
        {"content": film, "params": {"format": "markdown"}}, {"content": film, "params": {"format": "Canary"}},
    ]  # fmt: skip
    said, statuses = [], set()
    for body in bodies:
        answer = client.post("/v1/reports", **body)
        statuses.add(answer.status_code)
        said += [answer.text, json.dumps(dict(answer.headers))]
    said += [client.get("/v1/Canary").text, client.post("/v1/reports/Canary/edits", content=b"Canary").text]
    assert {200, 400, 422} <= statuses
    said += [client.get("/metrics").text, audit.read_text(), caplog.text, *capfd.readouterr()]
    assert "mrg_films_total" in said[-5] and len(audit.read_text().splitlines()) == len(bodies) + 2
    assert not [words for words in said if "canary" in words.lower()]
    assert not os.listdir(tmp_path / "temporary")
