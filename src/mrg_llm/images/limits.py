"""The numbers a file must keep to be read: checked from its header, before anything is unpacked."""

from mrg_llm.errors import ImageError

MAX_BYTES = 256 * 2**20  # of a file
MAX_SIDE_PX = 16_384
MAX_PIXELS = 64_000_000  # the largest detectors give about 16 million
MIN_SIDE_PX = 16
MAX_FRAMES = 1
DECODE_SECONDS = 30
DECODE_MEMORY_BYTES = 4 * 2**30


def check_size(rows: int, columns: int) -> None:
    """Raises ImageError for a picture no chest film has."""
    if min(rows, columns) < MIN_SIDE_PX:
        raise ImageError(f"the picture is {columns} x {rows} pixels, a film needs at least {MIN_SIDE_PX} each way")
    if max(rows, columns) > MAX_SIDE_PX or rows * columns > MAX_PIXELS:
        raise ImageError(
            f"the picture is {columns} x {rows} pixels, more than the limit of {MAX_PIXELS:,}; resize it first"
        )


def check_bytes(count: int) -> None:
    """Raises ImageError for a file that is too large to be a film."""
    if count > MAX_BYTES:
        raise ImageError(f"the file has {count:,} bytes, more than the limit of {MAX_BYTES:,}")
