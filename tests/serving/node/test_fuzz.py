"""Whatever a caller or an archive says: a status, a reason, a sentence; never another exception."""

import contextlib
import io
import json
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from mrg_llm.errors import SettingsError
from mrg_llm.serving.node.options import parse_peer
from mrg_llm.serving.node.receiver import Refusal, read_arrival
from mrg_llm.serving.node.sending import NotSent, judge_http
from tests.images.made import CR_STORAGE
from tests.serving.node.played import film, film_bytes

WHOLE = film_bytes()
KEYS = st.sampled_from(["00081198", "00081197", "Value", "vr"]) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6,
)  # fmt: skip


def request(data: bytes) -> SimpleNamespace:
    """What pynetdicom hands over of a C-STORE."""
    store = SimpleNamespace(AffectedSOPClassUID=CR_STORAGE, AffectedSOPInstanceUID=film().SOPInstanceUID,
                            DataSet=io.BytesIO(data))  # fmt: skip
    context = SimpleNamespace(transfer_syntax="1.2.840.10008.1.2.1")
    return SimpleNamespace(request=store, context=context, encoded_dataset=lambda: data)


def test_a_whole_film_arrives():
    assert read_arrival(request(WHOLE)).data == WHOLE


@given(st.integers(0, len(WHOLE)), st.lists(st.tuples(st.integers(132, 1500), st.integers(0, 255)), max_size=8))
def test_a_damaged_film_arrives_or_is_refused(length, changes):
    data = bytearray(WHOLE)
    for place, value in changes:
        data[place] = value
    try:
        read_arrival(request(bytes(data[:length])))
    except Refusal as refusal:
        assert refusal.status in (0xA900, 0xC000)


@settings(max_examples=50)
@given(st.sampled_from([200, 202, 409]), JSON)
def test_an_answer_of_any_form_is_judged(status, said):
    try:
        judge_http(status, json.dumps(said).encode())
    except NotSent as error:
        assert error.why


@given(st.sampled_from([200, 202, 409, 500]), st.binary())
def test_an_answer_of_any_bytes_is_judged(status, said):
    try:
        judge_http(status, said)
    except NotSent as error:
        assert error.why == f"HTTP {status}"


@settings(max_examples=50)
@given(st.text() | st.from_regex(r"[A-Z \\]{1,18}@[a-z.:\[\]]{1,10}:\d{1,6}", fullmatch=True))
def test_a_peer_of_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(SettingsError):
        assert 0 < parse_peer(text).port < 65_536
