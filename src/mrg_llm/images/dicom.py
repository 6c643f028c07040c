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
from pydicom.uid import RLELossless

from mrg_llm.errors import ImageError
from mrg_llm.images.codestream import claimed_size
from mrg_llm.images.decoders import decoder_for
from mrg_llm.images.display import displayed
from mrg_llm.images.limits import MAX_BYTES, MAX_FRAMES, check_claim, check_size

MODALITIES = ("CR", "DX", "DR", "RG", "OT")  # projection films; film digitizers send OT
REFUSED = {"CT": "CT", "MR": "MR", "US": "ultrasound", "PT": "PET", "NM": "nuclear medicine", "MG": "mammography",
           "XA": "angiography", "RF": "fluoroscopy", "PX": "a panoramic dental film", "IO": "a dental film",
           "SR": "a structured report", "PR": "a presentation state", "SEG": "a segmentation",
           "DOC": "a document", "KO": "a list of images", "RTIMAGE": "an image of radiotherapy",
           "XC": "a photograph", "ES": "endoscopy", "ECG": "an electrocardiogram"}  # fmt: skip
FILM_CLASSES = ("Computed Radiography", "Digital X-Ray", "Secondary Capture")  # in the names of their SOP classes
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
    kind = object_name(dataset)
    if "PixelData" not in dataset:
        raise ImageError(f"the DICOM ({kind or 'of an unknown kind'}) holds no pixels, or is cut short; give the image")
    if kind and not modality and not any(name in kind for name in FILM_CLASSES):
        raise ImageError(f"the DICOM is {kind}; a chest film is CR, DX or a secondary capture")
    if int(dataset.get("NumberOfFrames") or 1) > MAX_FRAMES:
        raise ImageError("the DICOM holds several frames; give one film a file")
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or dataset.get("PhotometricInterpretation") not in GRAY:
        raise ImageError(f"the DICOM is in colour; a chest film is {' or '.join(GRAY)}")
    if not 0 < int(dataset.BitsStored) <= int(dataset.BitsAllocated) <= 32:
        raise ImageError("the DICOM's BitsStored and BitsAllocated contradict each other; export it again")
    check_size(int(dataset.Rows), int(dataset.Columns))


def object_name(dataset: pydicom.Dataset) -> str:
    """What the standard calls this SOP class ("Encapsulated PDF Storage"); empty for one it does not know."""
    uid = pydicom.uid.UID(str(dataset.get("SOPClassUID") or ""))
    return uid.name if uid.type == "SOP Class" else ""


def stored_values(dataset: pydicom.Dataset) -> np.ndarray:
    """(H, W) integers as stored: BitsStored bits, signed where PixelRepresentation says so."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        dataset.pixel_array_options(decoding_plugin=decoder_for(syntax, int(dataset.BitsStored)))
        check_compressed(dataset)
    high, bits = int(dataset.get("HighBit", dataset.BitsStored - 1)), int(dataset.BitsStored)
    in_cells = not syntax.is_encapsulated or syntax == RLELossless  # the others compress values, wherever those lay
    shift = high + 1 - bits if in_cells else 0
    if not 0 <= shift <= int(dataset.BitsAllocated) - bits:
        raise ImageError("the DICOM's HighBit and BitsStored contradict each other; export it again")
    dataset.BitsStored = bits + shift  # pydicom looks at that many bits ...
    array = dataset.pixel_array
    dataset.BitsStored = bits
    if array.ndim != 2:
        raise ImageError(f"the DICOM holds pixels of {array.ndim} dimensions; a film has two")
    spare = 8 * array.itemsize - bits
    # ... but does not know of values that begin higher up, and leaves in RLE what old scanners keep above them.
    return array << (spare - shift) >> spare if in_cells else array


def check_compressed(dataset: pydicom.Dataset) -> None:
    """The compressed picture must claim the size that the DICOM claims, and no bomb's."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1), b"")
    claimed = claimed_size(frame)
    if claimed and claimed != (rows, columns):
        raise ImageError(
            f"the DICOM claims {columns} x {rows} pixels and its compressed picture {claimed[1]} x {claimed[0]}; "
            "export it again"
        )
    check_claim(rows, columns, len(frame))


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
