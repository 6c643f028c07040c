"""The shape that OpenAI's clients send and expect."""

import base64
import json

import pytest

from tests.serving.fakes import NOTICE, SENTENCES, png


def asking(url: str, **more) -> dict:
    content = [{"type": "text", "text": "Describe"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": "any", "messages": [{"role": "user", "content": content}], **more}


FILM = "data:image/png;base64," + base64.b64encode(png()).decode()


def test_a_completion(served):
    answer = served().post("/v1/chat/completions", json=asking(FILM)).json()
    assert answer["object"] == "chat.completion" and answer["status"] == "preliminary"
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop" and choice["message"]["role"] == "assistant"
    assert SENTENCES[1] in choice["message"]["content"] and choice["message"]["content"].endswith(NOTICE)


def test_a_stream_of_chunks(served):
    text = served().post("/v1/chat/completions", json=asking(FILM, stream=True)).text
    *lines, done = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    chunks = [json.loads(line) for line in lines]
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert done == "[DONE]" and said == f"{' '.join(SENTENCES)}\n\n{NOTICE}"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(("asked", "status", "code"), [
    (asking("https://example.org/film.png"), 400, "remote_url"), (asking("file:///etc/passwd"), 400, "remote_url"),
    (asking("data:image/png;base64,%%%"), 400, "bad_request"), (asking("data:image/png,abc"), 400, "bad_request"),
    (asking(FILM, n=2), 400, "bad_request"), (asking(FILM, prior=7), 400, "bad_request"),
    ({"messages": []}, 422, "not_a_film"), ({}, 400, "bad_request"),
    (asking("data:image/gif;base64,R0lGODlhAQ=="), 422, "not_a_film"),
])  # fmt: skip
def test_what_is_refused(served, asked, status, code):
    answer = served().post("/v1/chat/completions", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
