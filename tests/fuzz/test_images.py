"""Thousands of damaged films: none may end or hang its decoder, or leave by any exception but ImageError.

They go where films go, to the sandbox's worker, which serves all of them; a tenth is decoded in this process as well,
whose warnings and logs can be looked into. MRG_FUZZ_MUTANTS sets how many (20,000 by default, half a minute);
mutant number N is always the same.
"""

from __future__ import annotations

import importlib.util
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from mrg_llm.errors import ImageError
from mrg_llm.images import Film, decode
from mrg_llm.images.sandbox import Sandbox
from tests.images import golden
from tests.images.made import dicom, jpeg, jpeg2000, jpeg_dicom, png, ramp, rle, saved

MUTANTS = int(os.environ.get("MRG_FUZZ_MUTANTS", "20000"))
EXTRA = ("jpeg-lossless", "jpeg-extended-12")  # need the extra dicom
# What fields begin with: groups of DICOM tags (little endian), items, JPEG's and JPEG 2000's markers, PNG's chunks.
MARKS = (b"\x02\x00", b"\x08\x00", b"\x28\x00", b"\xe0\x7f", b"\xfe\xff", b"\xff", b"IHDR", b"IDAT")
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def seeds() -> dict[str, bytes]:
    """Small films in every form the readers know."""
    wide, narrow = ramp(12), ramp(8).astype(np.uint8)
    table = pydicom.Dataset()
    table.add_new("LUTDescriptor", "US", [64, 0, 16])
    table.add_new("LUTData", "US", list(range(64)))
    return {
        "png 8": png(narrow),
        "png 16": png(ramp(16)),
        "png interlaced palette": saved(Image.fromarray(narrow).convert("P"), "PNG", interlace=True),
        "png rgba": saved(Image.fromarray(narrow).convert("RGBA"), "PNG"),
        "jpeg": jpeg(narrow),
        "jpeg progressive": jpeg(np.repeat(narrow[..., None], 3, 2), progressive=True),
        "dicom": dicom(wide, WindowCenter=2048, WindowWidth=4096, RescaleSlope=1, RescaleIntercept=0),
        "dicom implicit": dicom(wide, syntax=pydicom.uid.ImplicitVRLittleEndian),
        "dicom big endian": dicom(wide, syntax=pydicom.uid.ExplicitVRBigEndian),
        "dicom deflated": dicom(wide, syntax=pydicom.uid.DeflatedExplicitVRLittleEndian),
        "dicom tables": dicom(wide, VOILUTSequence=[table], ModalityLUTSequence=[table]),
        "dicom rle": rle(wide, PhotometricInterpretation="MONOCHROME1"),
        "dicom jpeg 2000": jpeg2000(wide),
        "dicom jpeg": jpeg_dicom(narrow),
        **{f"dcmtk {path.stem}": path.read_bytes() for path in sorted(golden.FOLDER.glob("*.dcm")) if readable(path)},
    }


def readable(path: Path) -> bool:
    return not path.stem.startswith(EXTRA) or importlib.util.find_spec("imagecodecs") is not None


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to three damages, of which half hit the first 600 bytes, where the headers are."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not out:
            break
        reach = min(len(out), 600) if rng.random() < 0.5 else len(out)
        at, length = int(rng.integers(reach)), int(rng.integers(1, 33))
        match rng.integers(11):  # the gentlest three times as often: they reach deepest
            case 0 | 9 | 10:
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                out[at : at + length] = rng.bytes(length)
            case 2:
                size = int(rng.choice([1, 2, 4]))
                number = NUMBERS[rng.integers(len(NUMBERS))] % 256**size
                out[at : at + size] = number.to_bytes(size, "big" if rng.random() < 0.5 else "little")
            case 7 | 8:  # in a field's tag, type or length
                start = out.find(MARKS[rng.integers(len(MARKS))], at)
                if start >= 0:
                    at = start + int(rng.choice([-4, 0, 1, 2, 4, 6, 8]))
                    size = int(rng.choice([1, 2, 4]))
                    edit = NUMBERS[rng.integers(len(NUMBERS))] if rng.random() < 0.5 else int(rng.integers(256))
                    out[max(at, 0) : at + size] = (edit % 256**size).to_bytes(size, "little")
            case 3:
                del out[at:]
            case 4:
                del out[at : at + length]
            case 5:
                out[at:at] = out[max(at - 4 * length, 0) : at]
            case 6:
                start = int(rng.integers(len(other)))
                out[at:at] = other[start : start + 4 * length]
    return with_true_checksums(out) if rng.random() < 0.7 else bytes(out)


def with_true_checksums(data: bytearray) -> bytes:
    """A damaged PNG whose chunks have the right CRC again: without it no damage gets past the first look."""
    at = 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(data)


def mutants(count: int) -> Iterator[tuple[str, bytes]]:
    """(what it is, its bytes) of the first mutants."""
    films = seeds()
    names = list(films)
    for number in range(count):
        rng = np.random.default_rng([2, number])
        name, other = names[number % len(names)], names[rng.integers(len(names))]
        yield f"mutant {number} of {name}", mutated(films[name], films[other], rng)


def outcomes(read: Callable[[bytes], Film], count: int) -> Counter:
    """How many mutants were read and how many refused; fails for any that did neither as it should."""
    found: Counter = Counter()
    slowest = 0.0
    for name, mutant in mutants(count):
        begun = time.perf_counter()
        try:
            film = read(mutant)
            assert film.pixels.dtype == np.float32 and film.pixels.ndim == 2, name
            assert np.isfinite(film.pixels).all(), name
            assert film.pixels.min() >= 0 and film.pixels.max() <= 1, name
            found["read"] += 1
        except ImageError as error:
            assert "\n" not in str(error) and "ecret" not in str(error), name
            found["refused"] += 1
        except AssertionError:
            raise
        except BaseException as error:
            pytest.fail(f"{name}: {type(error).__name__}: {error}")
        slowest = max(slowest, time.perf_counter() - begun)
    print(f"{dict(found)}, slowest {slowest:.2f} s")
    assert min(found["read"], found["refused"]) > count // 20  # both, or the mutations do not test what they should
    return found


def test_the_undamaged_ones_are_read():
    for name, data in seeds().items():
        assert decode(data).pixels.shape == (40, 48), name


@pytest.mark.timeout(60 + MUTANTS // 10)
def test_damaged_films_cost_no_decoder_its_life():
    with Sandbox() as box:
        box.read(seeds()["png 8"])
        worker = box.worker
        outcomes(box.read, MUTANTS)
        # The one that began has served them all: none ended it, and none took so long that it was killed. (Three make
        # CharLS count to 2**31, which takes it 4 seconds.)
        assert box.worker is worker and worker.poll() is None


@pytest.mark.timeout(60 + MUTANTS // 10)
def test_damaged_films_leak_nothing(recwarn, caplog):
    outcomes(decode, MUTANTS // 10)
    said = [*(str(warning.message) for warning in recwarn), caplog.text]
    assert not any("ecret" in text for text in said)  # the patient's name, cut or whole
