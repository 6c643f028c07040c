"""A study's view -> pixels, wherever they lie: in the film's file, decoded in a process of its own, or in a pack.

The one door from studies to films: training, generation, checks and pages read through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mrg_llm.errors import DataError, ImageError
from mrg_llm.images import Film
from mrg_llm.images.pixels import inside, to_square_uint8
from mrg_llm.images.sandbox import read_film_untrusted
from mrg_llm.studies.pack import packed_square
from mrg_llm.studies.study import Study, View

Read = Callable[[Path], Film]


def film_of(view: View, read: Read = read_film_untrusted) -> Film:
    """A view's film: of a packed one the square, without the black that was added. Raises ImageError where it cannot be
    read.

    read: of a film's file, where it is to be another reader.
    """
    if view.problem:
        raise ImageError(view.problem)
    packed = view.packed
    if packed is None:
        return read(view.path)
    pixels = packed_square(packed)[inside(packed.rows, packed.columns, packed.side_px, packed.fit)]
    return Film(pixels.astype(np.float32) / np.float32(255), "pack", 8, (f"packed at {packed.side_px} px",))


def read_view(view: View, side_px: int, fit: str, read: Read = read_film_untrusted) -> np.ndarray:
    """A view's film as an 8-bit square, (side, side). Raises ImageError where it cannot be read."""
    packed = view.packed
    if packed and (packed.side_px, packed.fit) == (side_px, fit):
        return packed_square(packed)
    return to_square_uint8(film_of(view, read), side_px, fit)


def refuse_other_squares(studies: Sequence[Study], side_px: int, fit: str) -> None:
    """Raises DataError where a pack holds smaller squares than these, or its films cannot be fitted as asked."""
    packs = {(p.shard.parent, p.side_px, p.fit) for s in studies for v in s.views if (p := v.packed)}
    for pack, packed_px, packed_fit in packs:
        if packed_px < side_px:
            raise DataError(
                f"{pack} holds films of {packed_px} px a side, and squares of {side_px} px are asked for; pack the "
                f"data again with --side-px {side_px}, or use the films' files"
            )
        if packed_fit == "squash" != fit:
            raise DataError(
                f"{pack} holds films squashed into squares, and fit {fit!r} is asked for; pack the data "
                f"again with --fit {fit}, or use the films' files"
            )
