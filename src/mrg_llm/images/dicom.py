"""DICOM -> 2-D array in 0..1, bright where the film is dense. What is not one gray film is refused in one sentence.

No value of a patient's tag ever enters a message, which is why pydicom's own warnings (they quote values) are silent.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from mrg_llm.errors import ImageError
from mrg_llm.images.codestream import claimed_size
from mrg_llm.images.display import displayed
from mrg_llm.images.limits import MAX_BYTES, MAX_FRAMES, check_claim, check_size

MODALITIES = ("CR", "DX", "DR", "RG", "OT")  # projection films; film digitizers send OT
REFUSED = {"CT": "CT", "MR": "MR", "US": "ultrasound", "PT": "PET", "NM": "nuclear medicine", "MG": "mammography",
           "XA": "angiography", "RF": "fluoroscopy", "PX": "a panoramic dental film", "IO": "a dental film",
           "SR": "a structured report", "PR": "a presentation state", "SEG": "a segmentation",
           "XC": "a photograph", "ES": "endoscopy", "ECG": "an electrocardiogram"}  # fmt: skip
DECODERS = {  # pydicom's plugin -> what it decodes here; docs/films.md has their licences
    "pydicom": (RLELossless,),
    "pillow": (JPEGBaseline8Bit,),
    "pylibjpeg": (JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL),
    "pyjpegls": (JPEGLSLossless, JPEGLSNearLossless),
    "gdcm": (JPEGLossless, JPEGLosslessSV1),
}
INSTALL = {  # where a decoder is not in the default install
    "gdcm": "pip install 'mrg-llm[gdcm]'",
    "pylibjpeg": "pip install pylibjpeg-libjpeg (whose licence is GPL-3.0)",
}
FRAGILE = (JPEGLossless, JPEGLosslessSV1, JPEGExtended12Bit)  # their decoders die of some damaged pictures
ALONE = False  # whether this process does nothing but decode: the sandbox's worker says so
GRAY = ("MONOCHROME1", "MONOCHROME2")

# For the whole process: reading is lazy, so any access to a tag may quote it.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom(\..*)?")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def read_dicom(data: bytes) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """(H, W) float32 in 0..1, the bits stored, and notes on what was applied. Raises ImageError; a damaged file may
    also raise whatever pydicom and its plugins raise."""
    dataset = pydicom.dcmread(Inflatable(data), force=True)
    refuse_other_objects(dataset)
    picture, notes = displayed(stored_values(dataset), dataset)
    return picture, int(dataset.BitsStored), notes


def refuse_other_objects(dataset: pydicom.Dataset) -> None:
    """One sentence for everything that is not one gray projection film."""
    modality = str(dataset.get("Modality") or "").strip().upper()
    if modality and modality not in MODALITIES:
        found = REFUSED.get(modality, "of another modality")
        raise ImageError(f"the DICOM is {found}; a chest film's modality is one of {', '.join(MODALITIES)}")
    if "PixelData" not in dataset:
        raise ImageError(
            "the DICOM holds no pixels: it is a report or a presentation state, or cut short; give the image"
        )
    if int(dataset.get("NumberOfFrames") or 1) > MAX_FRAMES:
        raise ImageError("the DICOM holds several frames; give one film a file")
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or dataset.get("PhotometricInterpretation") not in GRAY:
        raise ImageError(f"the DICOM is in colour; a chest film is {' or '.join(GRAY)}")
    if not 0 < int(dataset.BitsStored) <= int(dataset.BitsAllocated) <= 32:
        raise ImageError("the DICOM's BitsStored and BitsAllocated contradict each other; export it again")
    check_size(int(dataset.Rows), int(dataset.Columns))


def stored_values(dataset: pydicom.Dataset) -> np.ndarray:
    """(H, W) integers as stored: BitsStored bits, signed where PixelRepresentation says so."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        check_compressed(dataset)
    high, bits = int(dataset.get("HighBit", dataset.BitsStored - 1)), int(dataset.BitsStored)
    shift = 0 if syntax.is_encapsulated else high + 1 - bits
    if not 0 <= shift <= int(dataset.BitsAllocated) - bits:
        raise ImageError("the DICOM's HighBit and BitsStored contradict each other; export it again")
    dataset.BitsStored = (
        bits + shift
    )  # pydicom cuts off what is above BitsStored (old scanners keep overlays there) ...
    if syntax.is_encapsulated:
        plugin = plugin_for(syntax, bits)
        if syntax in FRAGILE and not ALONE:
            raise NeedsProcessError("the picture is decoded in a process of its own only: read_film does that")
        dataset.pixel_array_options(decoding_plugin=plugin)
    array = dataset.pixel_array
    dataset.BitsStored = bits
    if array.ndim != 2:
        raise ImageError(f"the DICOM holds pixels of {array.ndim} dimensions; a film has two")
    return array >> shift if shift else array  # ... but does not know of values that begin higher up


def check_compressed(dataset: pydicom.Dataset) -> None:
    """There must be a decoder, and the compressed picture must claim the size that the DICOM claims: not a bomb."""
    syntax = dataset.file_meta.TransferSyntaxUID
    plugin = plugin_for(syntax, int(dataset.BitsStored))
    if not plugin:
        name = syntax.name if syntax.name != str(syntax) else "an unknown way"
        raise ImageError(f"the DICOM is compressed as {name}, which we do not read; rewrite it uncompressed (dcmconv)")
    if plugin not in get_decoder(syntax).available_plugins:
        raise ImageError(
            f"the DICOM is compressed as {syntax.name}, whose decoder {plugin} is not installed; "
            f"{INSTALL.get(plugin, f'pip install {plugin}')}, or rewrite it uncompressed (dcmdjpeg)"
        )
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1), b"")
    claimed = claimed_size(frame)
    if claimed and claimed != (rows, columns):
        raise ImageError(
            f"the DICOM claims {columns} x {rows} pixels and its compressed picture {claimed[1]} x {claimed[0]}; "
            "export it again"
        )
    check_claim(rows, columns, len(frame))


def plugin_for(syntax: pydicom.uid.UID, bits: int) -> str:
    """The decoder we trust with a syntax, or an empty string. Left to itself, pydicom takes the first one installed."""
    if syntax == JPEGExtended12Bit:
        return "pylibjpeg" if bits > 8 else "pillow"
    return next((name for name, syntaxes in DECODERS.items() if syntax in syntaxes), "")


class NeedsProcessError(ImageError):
    """A sound picture, whose decoder may not run in this process."""


class Inflatable(io.BytesIO):
    """A file whose deflated data set (transfer syntax 1.2.840.10008.1.2.1.99) is measured before pydicom, which knows
    no limit, inflates it: reading to the end in one piece is what it does for that syntax alone."""

    def read(self, size: int | None = -1) -> bytes:
        rest = super().read(size)
        if size is None or size < 0:
            check_inflated(rest)
        return rest


def check_inflated(packed: bytes) -> None:
    inflate, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed and not inflate.eof:
        piece = inflate.decompress(packed, 2**20)
        packed, total = inflate.unconsumed_tail, total + len(piece)
        if total > MAX_BYTES:
            raise ImageError(f"the DICOM inflates to more than {MAX_BYTES:,} bytes, the limit of a file")
        if not piece:
            return
