"""Bodies: what clients send, and what nobody should."""

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrg_llm.serving.bodies import Limits, asked_of, parts
from mrg_llm.serving.openai import films_of, members_of
from mrg_llm.serving.refusals import Refusal
from tests.exports.drafts import films
from tests.serving.fakes import png

MULTIPART = "multipart/form-data; boundary=XyZ"


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def multipart(*found: tuple[str, bytes]) -> bytes:
    body = b"".join(b"--XyZ\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in found)
    return body + b"--XyZ--\r\n"


def form(name: str, content: bytes) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"; filename="x"', content


def refusal(body: bytes, kind: str = "", limits: Limits | None = None) -> tuple[int, str]:
    with pytest.raises(Refusal) as refused:
        asked_of(body, kind, {}, limits or Limits())
    return refused.value.status, refused.value.code


def test_a_film_by_its_first_bytes_whatever_it_is_called():
    for film in (png(), films()[0]):
        assert asked_of(film, "text/html", {}, Limits()).films == (film,)
        assert asked_of(film, MULTIPART, {}, Limits()).films == (film,)


def test_a_zip_of_films_and_other_things():
    one, two = png(value=1), png(value=2)
    asked = asked_of(zipped(b=two, a=one, readme=b"hello"), "", {}, Limits())
    assert asked.films == (one, two)


def test_multipart_of_forms_and_of_dicomweb():
    one, two = films()[:2]
    asked = asked_of(multipart(form("film", one), form("zip", zipped(a=two)), form("indication", b"Cough"),
                               form("anyway", b"true")), MULTIPART, {"indication": "not this"}, Limits())  # fmt: skip
    assert asked.films == (one, two) and asked.indication == "Cough" and asked.anyway
    related = 'multipart/related; type="application/dicom"; boundary="XyZ"'
    told = {"prior": "As before", "anyway": "False"}
    asked = asked_of(b"preamble\r\n" + multipart(("Content-Type: application/dicom", one)), related, told, Limits())
    assert asked.films == (one,) and asked.prior == "As before" and not asked.anyway


def test_what_is_refused():
    assert refusal(b"%PDF-1.4") == (415, "unsupported_media_type")
    assert refusal(zipped(readme=b"hello")) == (422, "not_a_film")
    assert refusal(multipart(form("film", b"hello")), MULTIPART) == (422, "not_a_film")
    assert refusal(multipart(), MULTIPART) == (422, "not_a_film")
    assert refusal(multipart(*[form("film", png())] * 9), MULTIPART) == (422, "too_many_films")
    assert refusal(zipped(a=png())[:-30]) == (422, "damaged_zip")
    assert refusal(multipart(form("film", png()))[:-12], MULTIPART) == (400, "bad_request")
    assert refusal(multipart(form("film", png())), "multipart/form-data") == (400, "bad_request")
    assert refusal(multipart(form("prior", b"\xff")), MULTIPART) == (400, "bad_request")
    assert refusal(multipart(form("prior", b"x" * 70_000)), MULTIPART) == (413, "too_large")


def test_a_bomb_is_not_unpacked():
    bomb = zipped(a=png() + b"\0" * 10_000_000)
    assert len(bomb) < 20_000 and refusal(bomb, limits=Limits(bytes=100_000)) == (413, "too_large")
    two = zipped(a=png() + b"\0" * 60_000, b=png() + b"\0" * 60_000)
    assert refusal(two, limits=Limits(bytes=100_000)) == (413, "too_large")


def edits(whole: bytes):
    """A body with a stretch of it replaced."""
    places = st.integers(0, len(whole))
    return st.builds(
        lambda a, b, new: whole[: min(a, b)] + new + whole[max(a, b) :], places, places, st.binary(max_size=9)
    )


ANY = st.one_of(edits(multipart(form("film", png()), form("prior", b"x"))), edits(zipped(a=png(), b=b"x")), st.binary())


@settings(max_examples=150)
@given(ANY)
def test_any_bytes_are_a_study_or_a_refusal(body):
    for kind in ("", MULTIPART):
        try:
            assert asked_of(body, kind, {}, Limits()).films
        except Refusal as refused:
            assert refused.status in (400, 413, 415, 422)


@settings(max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=60).filter(lambda b: b"\r\n--XyZ" not in b), max_size=5))
def test_parts_come_back_as_they_were_sent(contents):
    sent = multipart(*(form(f"f{n}", content) for n, content in enumerate(contents)))
    assert list(parts(sent, MULTIPART)) == [(f"f{n}", content) for n, content in enumerate(contents)]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["messages", "content", "type", "image_url", "url", "n", "prior"]), inner, max_size=4))  # fmt: skip


@settings(max_examples=40)
@given(JSON)
def test_any_json_is_a_study_or_a_refusal(value):
    import json

    try:
        films_of(members_of(json.dumps(value).encode()), Limits())
    except Refusal as refused:
        assert refused.status in (400, 422)


def test_json_that_is_none_or_too_deep():
    for body in (b"", b"\xff", b"[" * 100_000, b"{"):
        with pytest.raises(Refusal, match="bad_request"):
            members_of(body)
