"""What is remembered is bounded in time, number and bytes."""

import numpy as np

from mrg_llm.exports import DraftReport
from mrg_llm.serving.engine import Display, Looked
from mrg_llm.serving.remembered import Memory, Remembered


def memory(owner=None) -> Memory:
    looked = Looked((Display(None, 10, 10, np.zeros((10, 10), "<u2"), 8),), None, None)
    return Memory(owner, looked, DraftReport("Clear.", "m", "n"), 1.0)


def test_time_number_and_bytes():
    now = [0.0]
    kept = Remembered(most=3, most_bytes=500, keep_s=60, clock=lambda: now[0])
    first, second = kept.add(memory()), kept.add(memory())
    third = kept.add(memory())  # of 200 bytes each
    assert kept.get(first.id, None) is None and kept.get(second.id, None) is second and kept.bytes == 400
    now[0] = 61.0
    assert kept.get(third.id, None) is None and kept.bytes == 0 and not kept.items


def test_a_report_is_for_the_key_that_asked():
    kept = Remembered()
    mine = kept.add(memory("ann"))
    assert kept.get(mine.id, "ann") is mine and kept.get(mine.id, "ben") is None and kept.get(mine.id, None) is None


def test_an_edit_replaces_the_text_and_its_sentences():
    edited = memory()
    edited.edited = "Small effusion. No pneumothorax."
    assert [s.text for s in edited.current.sentences] == ["Small effusion.", "No pneumothorax."]
