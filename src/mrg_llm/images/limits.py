"""The numbers a file must keep to be read: checked from its header, before anything is unpacked."""

from dataclasses import dataclass

from mrg_llm.errors import ImageError

MAX_BYTES = 256 * 2**20  # of a file, packed or inflated
MAX_ZIP_BYTES = 2**30  # of all files of a zip together, unpacked
MAX_FILES = 2_000  # of a folder or zip that is given as one study
MIN_SIDE_PX = 16
MAX_SIDE_PX = 16_384
MAX_PIXELS = 40_000_000  # detectors give up to 18 million, digitized sheets 30 million
MAX_FRAMES = 1
# A few hundred bytes can claim millions of pixels; films keep more than 0.1 bit a pixel at the worst JPEG quality.
MIN_BITS_PER_PIXEL = 0.02
CLAIM_PIXELS = 1_000_000  # below, a claim can do no harm


@dataclass(frozen=True)
class DecodeLimits:
    """What one untrusted file may cost: seconds (of processor and of the clock) and bytes of memory of the process
    that decodes it, of which its libraries take 0.2 GB."""

    seconds: float = 30.0
    memory_bytes: int = 4 * 2**30


def check_bytes(count: int) -> None:
    """Raises ImageError for a file that is too large to be a film."""
    if count > MAX_BYTES:
        raise ImageError(f"the file has {count:,} bytes, more than the limit of {MAX_BYTES:,}; is it one film?")


def check_size(rows: int, columns: int) -> None:
    """Raises ImageError for a picture no chest film has."""
    if min(rows, columns) < MIN_SIDE_PX:
        raise ImageError(f"the picture is {columns} x {rows} pixels, a film needs at least {MIN_SIDE_PX} each way")
    if max(rows, columns) > MAX_SIDE_PX or rows * columns > MAX_PIXELS:
        raise ImageError(
            f"the picture is {columns} x {rows} pixels, more than the limit of {MAX_PIXELS:,}; resize it first"
        )


def check_claim(rows: int, columns: int, packed_bytes: int) -> None:
    """Raises ImageError for a picture far larger than its bytes can hold."""
    pixels = rows * columns
    if pixels > CLAIM_PIXELS and 8 * packed_bytes < MIN_BITS_PER_PIXEL * pixels:
        raise ImageError(f"{packed_bytes:,} bytes claim to hold {columns} x {rows} pixels, which no film's can")
