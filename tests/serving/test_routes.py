"""Every route and every status of the API, with a model that is none."""

from __future__ import annotations

import base64
import json
import threading
import time

import numpy as np
import pytest

from mrg_llm.errors import SettingsError, UnfamiliarError
from mrg_llm.serving.audit import AuditFile
from mrg_llm.serving.auth import Keys, make_key
from mrg_llm.serving.bodies import Limits
from mrg_llm.serving.refusals import Refusal
from mrg_llm.serving.service import Options
from tests.exports.drafts import films
from tests.serving.fakes import NOTICE, SENTENCES, FakeEngine, png


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def events(text: str) -> list[tuple[str, dict]]:
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


class Raising(FakeEngine):
    def __init__(self, error: Exception):
        super().__init__()
        self.error = error

    def look(self, asked):
        raise self.error


class Held(FakeEngine):
    """Writes when it is let."""

    def __init__(self):
        super().__init__()
        self.let, self.begun = threading.Event(), threading.Event()

    def write(self, batch, told):
        self.begun.set()
        assert self.let.wait(20)
        return super().write(batch, told)


def test_a_film_gets_a_draft_that_is_remembered_with_films_and_maps(served):
    client = served()
    report = client.post("/v1/reports", content=png()).json()
    assert report["status"] == "preliminary" and report["notice"] == NOTICE and report["model"] == "fake"
    assert [s["text"] for s in report["sentences"]] == list(SENTENCES) and report["sentences"][2]["marked"]
    assert report["views"] == [{"projection": "PA", "rows": 64, "columns": 48}]
    address = f"/v1/reports/{report['id']}"
    assert client.get(address).json() == report
    film = client.get(f"{address}/films/0")
    size = [int(film.headers[name]) for name in ("x-rows", "x-columns", "x-bits")]
    assert size == [64, 48, 12] and np.frombuffer(film.content, "<u2").reshape(64, 48)[1, 0] == 48
    maps = client.get(f"{address}/maps").json()
    assert maps["sentences"] == 3 and maps["views"] == [{"rows": 16, "columns": 16}]
    assert len(base64.b64decode(maps["maps"][2][0])) == 256
    assert code(client.get(f"{address}/films/1")) == (404, "not_found")
    assert code(client.get("/v1/reports/of-nobody")) == (404, "not_found")
    assert code(client.get("/nowhere")) == (404, "not_found")


def test_a_stream_tells_each_sentence_once_and_then_the_report(served):
    client = served(FakeEngine(latency_s=0.3))
    told = events(client.post("/v1/reports", content=png(), headers={"Accept": "text/event-stream"}).text)
    assert [data for event, data in told[:-1]] == [{"index": n, "text": text} for n, text in enumerate(SENTENCES)]
    assert told[-1][0] == "report" and client.get(f"/v1/reports/{told[-1][1]['id']}").json() == told[-1][1]


def test_a_failure_after_a_stream_began_is_an_event_without_its_words(served, caplog):
    class Failing(FakeEngine):
        def write(self, batch, told):
            raise ValueError("Canary")

    client = served(Failing())
    told = events(client.post("/v1/reports", content=png(), headers={"Accept": "text/event-stream"}).text)
    assert [(event, data["code"]) for event, data in told] == [("error", "internal")]
    assert code(client.post("/v1/reports", content=png())) == (500, "internal")
    assert "ValueError" in caplog.text and "Canary" not in caplog.text


def test_formats_by_name_and_by_accept_and_after_an_edit(served, tmp_path):
    kept = tmp_path / "edits.jsonl"
    client = served(FakeEngine(decodes=True), Options(keep_edits=kept))
    files = [("film", ("a", film)) for film in films()]
    sr = client.post("/v1/reports?format=dicom-sr", files=files)
    assert sr.content[128:132] == b"DICM" and sr.headers["content-type"] == "application/dicom"
    assert sr.headers["content-disposition"] == 'attachment; filename="draft-report.dcm"'
    markdown = client.post("/v1/reports", content=png(), headers={"Accept": "text/markdown"})
    assert markdown.text.startswith("# Draft report")
    address = f"/v1/reports/{sr.headers['x-report-id']}"
    assert client.post(f"{address}/edits", json={"final": "All is well."}).json() == {"kept": True}
    assert "All is well." in client.get(f"{address}/export?format=text").text
    assert json.loads(kept.read_text()) == {"draft": " ".join(SENTENCES), "final": "All is well.", "model": "fake"}
    assert kept.stat().st_mode & 0o77 == 0
    assert code(client.post(f"{address}/edits", content=b"[1]")) == (400, "bad_request")
    assert code(client.get(f"{address}/export?format=docx")) == (400, "bad_request")
    assert code(client.post("/v1/reports?format=dicom-sr", content=png())) == (422, "no_identity")


def test_edits_are_kept_where_the_operator_said_so_alone(served):
    client = served()
    report = client.post("/v1/reports", content=png()).json()
    assert client.post(f"/v1/reports/{report['id']}/edits", json={"final": "x"}).json() == {"kept": False}


@pytest.mark.parametrize(("body", "expected"), [
    (b"GIF89a", (415, "unsupported_media_type")), (b"", (415, "unsupported_media_type")),
    (b"PK\x03\x04 no zip", (422, "damaged_zip")), (png() * 400, (413, "too_large")),
])  # fmt: skip
def test_bodies_that_are_refused(served, body, expected):
    client = served(options=Options(limits=Limits(bytes=20_000)))
    assert code(client.post("/v1/reports", content=body)) == expected
    assert client.service.line.taken == client.service.line.held == 0


def test_a_body_without_a_length_is_refused_while_it_is_read(served):
    client = served(options=Options(limits=Limits(bytes=20_000)))
    read = []

    def endless():
        for _ in range(10_000):
            read.append(1)
            yield b"\x89PNG\r\n\x1a\n" * 100

    answer = client.post("/v1/reports", content=endless())
    assert code(answer) == (413, "too_large")


@pytest.mark.parametrize(("error", "expected"), [
    (UnfamiliarError("film 1 is a cat"), "unfamiliar_film"), (SettingsError("no indication"), "context_not_read"),
    (Refusal(422, "several_studies", "two"), "several_studies"),
])  # fmt: skip
def test_what_a_model_refuses_has_a_reason(served, error, expected):
    assert code(served(Raising(error)).post("/v1/reports", content=png())) == (422, expected)


def test_invalid_parameters_are_not_quoted(served):
    answer = served().post("/v1/reports?anyway=Canary", content=png())
    assert code(answer) == (400, "bad_request") and "Canary" not in answer.text


def test_a_full_service_says_busy_and_a_late_draft_504(served):
    engine = Held()
    client = served(engine, Options(places=1, deadline_s=1.0))
    answers = []
    first = threading.Thread(target=lambda: answers.append(client.post("/v1/reports", content=png())))
    first.start()
    assert engine.begun.wait(20)
    busy = client.post("/v1/reports", content=png())
    assert code(busy) == (503, "busy") and int(busy.headers["retry-after"]) >= 1
    assert client.get("/healthz").status_code == 200
    first.join()
    engine.let.set()
    assert code(answers[0]) == (504, "deadline") and client.service.line.taken == 0


def test_draining_refuses_studies_and_is_not_ready(served):
    client = served()
    assert client.get("/readyz").status_code == 200
    client.service.draining = True
    refused = client.post("/v1/reports", content=png())
    assert code(refused) == (503, "draining") and "retry-after" in refused.headers
    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200


def test_keys_guard_the_api_and_each_sees_its_own_reports(served, tmp_path):
    path, audit = tmp_path / "keys", tmp_path / "audit"
    ann, ben = make_key("ann", path), make_key("ben", path)
    client = served(keys=Keys.read(path), audit=AuditFile(audit))
    assert client.get("/healthz").status_code == 200
    refused = client.get("/v1/config")
    assert code(refused) == (401, "unauthorized") and refused.headers["www-authenticate"] == "Bearer"
    assert code(client.post("/v1/reports", content=png(), headers={"Authorization": f"Bearer {ann}x"}))[0] == 401
    as_ann, as_ben = ({"Authorization": f"Bearer {key}"} for key in (ann, ben))
    assert client.get("/v1/config", headers=as_ann).json()["needs_key"] is True
    address = f"/v1/reports/{client.post('/v1/reports', content=png(), headers=as_ann).json()['id']}"
    assert client.get(address, headers=as_ann).status_code == 200
    assert code(client.get(address, headers=as_ben)) == (404, "not_found")
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [(line["key"], line["route"], line["status"], line["films"]) for line in lines[-3:]] == [
        ("ann", "POST /v1/reports", 200, 1), ("ann", "GET /v1/reports/{id}", 200, 0),
        ("ben", "GET /v1/reports/{id}", 404, 0)]  # fmt: skip
    assert audit.stat().st_mode & 0o77 == 0 and ann not in audit.read_text() + path.read_text()


def test_other_names_and_other_sites_are_refused(served):
    client = served(options=Options(hosts=("reports.example",)))
    assert code(client.get("/healthz", headers={"Host": "evil.example"})) == (400, "bad_request")
    for host in ("127.0.0.1:8000", "[::1]:8000", "reports.example"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    assert code(client.post("/v1/reports", content=png(), headers={"Origin": "http://evil.example"}))[0] == 403
    assert client.post("/v1/reports", content=png(), headers={"Origin": "http://localhost"}).status_code == 200


def test_headers_of_every_answer(served):
    client = served()
    for answer in (client.get("/healthz"), client.get("/nowhere"), client.post("/v1/reports", content=b"GIF8")):
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not {"server", "access-control-allow-origin"} & set(answer.headers)


def test_docs_are_off_and_the_schema_has_examples(served):
    client = served()
    assert client.get("/docs").status_code == 404
    schema = client.get("/openapi.json").json()
    assert schema["components"]["schemas"]["ReportAnswer"]["example"]["status"] == "preliminary"
    assert {"/v1/reports", "/v1/chat/completions", "/v1/worklist", "/metrics"} <= set(schema["paths"])
    assert "413" in schema["paths"]["/v1/reports"]["post"]["responses"]


def test_metrics_count_by_route_and_status(served):
    client = served()
    report = client.post("/v1/reports", content=png()).json()
    client.get(f"/v1/reports/{report['id']}")
    text = client.get("/metrics").text
    assert 'mrg_requests_total{route="/v1/reports",status="200"} 1.0' in text and report["id"] not in text
    assert "mrg_batch_studies_count 1.0" in text and "mrg_queue_depth 0.0" in text and "mrg_films_total 1.0" in text


class Node:
    """A worklist of one study."""

    def __init__(self, drafter):
        self.received = type("Received", (), {"draft": drafter([png()]), "films": [png()]})

    def items(self):
        return [{"id": "abc", "received_at": "2026-01-31T10:00:00+00:00", "films": 1, "state": "drafted"}]

    def report(self, id):
        return self.received if id == "abc" else None

    def stop(self):
        pass


def test_the_worklist_of_a_node(served):
    assert served().get("/v1/worklist").json() == {"enabled": False, "items": []}
    client = served(node_of=Node)
    assert client.get("/v1/worklist").json()["items"][0]["report_id"] is None
    report = client.get("/v1/worklist/abc/report").json()
    assert report["findings"] == " ".join(SENTENCES)
    assert client.get("/v1/worklist/abc/report").json() == report
    assert client.get("/v1/worklist").json()["items"][0]["report_id"] == report["id"]
    assert client.get(f"/v1/reports/{report['id']}/films/0").status_code == 200
    assert code(client.get("/v1/worklist/other/report")) == (404, "not_found")


def test_studies_that_come_together_are_written_together(served):
    engine = Held()
    client = served(engine)
    threads = [threading.Thread(target=client.post, args=("/v1/reports",), kwargs={"content": png()}) for _ in range(9)]
    threads[0].start()
    assert engine.begun.wait(20)
    for thread in threads[1:]:
        thread.start()
    for _ in range(1000):
        if client.service.line.depth == 8:
            break
        time.sleep(0.01)
    engine.let.set()
    for thread in threads:
        thread.join()
    assert engine.batches == [1, 8]
