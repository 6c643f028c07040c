"""A bad file costs that file only."""

import os
import signal
import time

import numpy as np
import pytest

from mrg_llm.errors import ImageError
from mrg_llm.images import read_film, sandbox
from mrg_llm.images.limits import DecodeLimits
from mrg_llm.images.sandbox import Sandbox, read_film_untrusted
from tests.images.made import dicom, png, ramp

GOOD = png(ramp(16))


@pytest.fixture(scope="module")
def box():
    with Sandbox(DecodeLimits(seconds=20)) as box:
        yield box


def test_same_film_as_in_this_process(box, tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom(ramp(), PhotometricInterpretation="MONOCHROME1"))
    for source in (GOOD, path):
        here, there = read_film(source), box.read(source)
        np.testing.assert_array_equal(here.pixels, there.pixels)
        assert (here.kind, here.bits, here.notes) == (there.kind, there.bits, there.notes)


def test_a_bad_file_leaves_the_worker_alive(box, tmp_path):
    box.read(GOOD)
    worker = box.worker.pid
    path = tmp_path / "bad.png"
    path.write_bytes(GOOD[:200])
    with pytest.raises(ImageError, match=r"bad\.png: .*damaged"):
        box.read(path)
    assert box.read(GOOD).bits == 16 and box.worker.pid == worker


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs a signal that stops a process")
def test_a_decoder_that_hangs_is_killed_and_replaced():
    with Sandbox(DecodeLimits(seconds=0.5)) as box:
        box.read(GOOD)
        hung = box.worker.pid
        os.kill(hung, signal.SIGSTOP)  # as a loop in C, where nothing reaches it
        begun = time.monotonic()
        with pytest.raises(ImageError, match=r"more than 0\.5 seconds"):
            box.read(GOOD)
        assert time.monotonic() - begun < 5
        assert box.read(GOOD).bits == 16 and box.worker.pid != hung


def test_a_decoder_that_dies_is_replaced(box):
    box.read(GOOD)
    box.worker.kill()
    box.worker.wait()
    assert box.read(GOOD).bits == 16


def test_memory_is_limited():
    """5,000 x 5,000 honest 16-bit pixels need more than this worker may have; the next film is read all the same."""
    pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 65535, (5000, 5000), dtype=np.uint16)
    with Sandbox(DecodeLimits(memory_bytes=500 * 2**20)) as box:
        with pytest.raises(ImageError, match="memory"):
            box.read(dicom(noise, bits=16))
        assert box.read(GOOD).bits == 16


def test_the_shared_worker_is_reused():
    limits = DecodeLimits(seconds=21)
    read_film_untrusted(GOOD, limits)
    with sandbox.borrowed(limits) as box:
        worker = box.worker.pid
    read_film_untrusted(GOOD, limits)
    assert box.worker.pid == worker
    box.close()


def test_a_worker_that_was_started_early_reads_the_first_film():
    limits = DecodeLimits(seconds=23)
    sandbox.start_decoder(limits)
    with sandbox.borrowed(limits) as box:
        worker = box.worker.pid
    assert np.array_equal(read_film_untrusted(GOOD, limits).pixels, read_film(GOOD).pixels)
    assert box.worker.pid == worker
    box.close()


def test_a_busy_worker_holds_up_no_other_film():
    limits = DecodeLimits(seconds=22)
    with sandbox.borrowed(limits) as busy:
        assert read_film_untrusted(GOOD, limits).bits == 16
        with sandbox.borrowed(limits) as other:
            assert other is not busy and busy.worker is None
            other.close()
