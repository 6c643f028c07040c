"""Thousands of damaged films: none may crash, hang, or leave by any exception but ImageError.

MRG_FUZZ_MUTANTS sets how many (20,000 by default, some seconds); mutant number N is always the same.
"""

from __future__ import annotations

import os
import time
import zlib
from collections import Counter

import numpy as np
import pydicom
import pytest
from PIL import Image

from mrg_llm.errors import ImageError
from mrg_llm.images import decode
from tests.images import golden
from tests.images.made import dicom, jpeg, jpeg2000, jpeg_dicom, png, ramp, rle, saved

MUTANTS = int(os.environ.get("MRG_FUZZ_MUTANTS", "20000"))
SLOWEST_S = 5.0  # on a crowded machine; undamaged ones take a few milliseconds
IN_PROCESS = ("jpeg-ls-12", "jpeg-ls-near-12", "rle-16", "deflated-12")
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
        **{f"dicom {name}": (golden.FOLDER / f"{name}.dcm").read_bytes() for name in IN_PROCESS},
    }


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to three damages, of which half hit the first 600 bytes, where the headers are."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not out:
            break
        reach = min(len(out), 600) if rng.random() < 0.5 else len(out)
        at, length = int(rng.integers(reach)), int(rng.integers(1, 33))
        match rng.integers(9):  # the gentlest three times as often: they reach deepest
            case 0 | 7 | 8:
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                out[at : at + length] = rng.bytes(length)
            case 2:
                size = int(rng.choice([1, 2, 4]))
                number = NUMBERS[rng.integers(len(NUMBERS))] % 256**size
                out[at : at + size] = number.to_bytes(size, "big" if rng.random() < 0.5 else "little")
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


@pytest.mark.timeout(60 + MUTANTS // 10)
def test_damaged_films_raise_image_errors_only(recwarn):
    films = seeds()
    for name, data in films.items():
        assert decode(data).pixels.shape == (40, 48), name
    names, outcomes = list(films), Counter()
    slowest = 0.0
    for number in range(MUTANTS):
        rng = np.random.default_rng([2, number])
        name, other = names[number % len(names)], names[rng.integers(len(names))]
        mutant = mutated(films[name], films[other], rng)
        begun = time.perf_counter()
        try:
            film = decode(mutant)
            assert film.pixels.dtype == np.float32 and film.pixels.ndim == 2, f"mutant {number} of {name}"
            assert np.isfinite(film.pixels).all(), f"mutant {number} of {name}"
            assert film.pixels.min() >= 0 and film.pixels.max() <= 1, f"mutant {number} of {name}"
            outcomes["read"] += 1
        except ImageError as error:
            assert "\n" not in str(error) and "Secret" not in str(error), f"mutant {number} of {name}"
            outcomes["refused"] += 1
        except AssertionError:
            raise
        except BaseException as error:
            pytest.fail(f"mutant {number} of {name}: {type(error).__name__}: {error}")
        slowest = max(slowest, time.perf_counter() - begun)
    assert not any("ecret" in str(warning.message) for warning in recwarn)  # the patient's name, cut or whole
    print(f"{outcomes['read']} read, {outcomes['refused']} refused, slowest {slowest:.2f} s")
    assert slowest < SLOWEST_S
    assert min(outcomes.values()) > MUTANTS // 20  # both happen, or the mutations do not test what they should
