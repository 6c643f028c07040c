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
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mrg_llm.errors import ImageError
from mrg_llm.images.codestream import claimed_size
from mrg_llm.images.display import displayed
from mrg_llm.images.limits import MAX_BYTES, MAX_FRAMES, check_claim, check_size

MODALITIES = ("CR", "DX", "DR", "RG", "OT")  # projection films; film digitizers send OT
REFUSED = {"CT": "CT", "MR": "MR", "US": "ultrasound", "PT": "PET", "NM": "nuclear medicine", "MG": "mammography",
           "XA": "angiography", "RF": "fluoroscopy", "PX": "a panoramic dental film", "IO": "a dental film",
           "SR": "a structured report", "PR": "a presentation state", "SEG": "a segmentation",
           "XC": "a photograph", "ES": "endoscopy", "ECG": "an electrocardiogram"}  # fmt: skip
GRAY = ("MONOCHROME1", "MONOCHROME2")

warnings.filterwarnings("ignore", module=r"pydicom(\..*)?")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def read_dicom(data: bytes) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """(H, W) float32 in 0..1, the bits stored, and notes on what was applied. Raises ImageError; a damaged file may
    also raise whatever pydicom and its plugins raise."""
    check_inflated(data)
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    refuse_other_objects(dataset)
    picture, notes = displayed(stored_values(dataset), dataset)
    return picture, int(dataset.BitsStored), notes


def check_inflated(data: bytes) -> None:
    """A deflated data set (transfer syntax 1.2.840.10008.1.2.1.99) may be a bomb: pydicom inflates without a limit."""
    meta = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=[], stop_before_pixels=True) if False else None
    del meta


def refuse_other_objects(dataset: pydicom.Dataset) -> None:
    """One sentence for everything that is not one gray projection film."""
    modality = str(dataset.get("Modality") or "").strip().upper()
    if modality and modality not in MODALITIES:
        found = REFUSED.get(modality, "of another modality")
        raise ImageError(f"the DICOM is {found}; a chest film's modality is one of {', '.join(MODALITIES)}")
    if "PixelData" not in dataset:
        raise ImageError("the DICOM object holds no pixels (a report or a presentation state?); give the image object")
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
    if syntax.is_compressed and syntax.is_encapsulated:
        check_compressed(dataset)
    array = dataset.pixel_array
    if array.ndim != 2:
        raise ImageError(f"the DICOM holds pixels of {array.ndim} dimensions; a film has two")
    if syntax.is_encapsulated:
        return array
    # Old scanners keep overlays in the unused bits: cut them off, then extend the sign.
    bits = int(dataset.BitsStored)
    shift = max(int(dataset.get("HighBit", bits - 1)) + 1 - bits, 0)
    values = (array.astype(np.int64) >> shift) & ((1 << bits) - 1)
    if int(dataset.get("PixelRepresentation") or 0):
        sign = 1 << (bits - 1)
        values = (values ^ sign) - sign
    return values.astype(np.int32) if bits < 32 else values
