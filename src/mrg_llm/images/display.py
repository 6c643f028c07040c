"""Stored values -> the picture its sender meant to be seen: 0..1, bright where the film is dense.

The order of the Grayscale Standard Display pipeline (DICOM PS3.4 N.2): modality LUT or rescale, VOI LUT or window, then
one inversion for MONOCHROME1 or PresentationLUTShape INVERSE. Where that plainly gives the negative of a chest film,
the label is taken to be wrong, and a note says so.
"""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.multival import MultiValue

from mrg_llm.errors import ImageError
from mrg_llm.images.polarity import looks_negative

ROBUST = (0.5, 99.5)  # percentiles shown as black and white where the file says nothing of a window
MISLABELLED = "the label would show a negative of a chest film: shown as its positive"
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def displayed(stored: np.ndarray, dataset: pydicom.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    """(H, W) float32 in 0..1 of (H, W) stored values, and notes on what was applied. Raises ImageError."""
    values, modality = rescaled(stored, dataset)
    shown, voi = seen_through_window(values, dataset)
    picture = np.clip(shown, 0, 1, dtype=np.float32)
    # Films of the DX family say both MONOCHROME1 and INVERSE: it is the same inversion, not two.
    labels = (("MONOCHROME1", dataset.PhotometricInterpretation), ("INVERSE", dataset.get("PresentationLUTShape")))
    inverted = next((f"inverted {label}" for label, value in labels if value == label), None)
    notes = [*modality, voi]
    if looks_negative(1 - picture if inverted else picture):
        # A label is wrong more often than a chest is inside out, and the model has never seen a negative.
        notes.append(MISLABELLED)
        inverted = None if inverted else "inverted against its label"
    return (1 - picture, (*notes, inverted)) if inverted else (picture, tuple(notes))


def rescaled(stored: np.ndarray, dataset: pydicom.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    """The modality step: float32 values in the modality's unit."""
    if dataset.get("ModalityLUTSequence"):
        return through_table(stored, dataset.ModalityLUTSequence[0], dataset), ("modality LUT applied",)
    slope, intercept = number(dataset, "RescaleSlope", 1.0), number(dataset, "RescaleIntercept", 0.0)
    values = stored.astype(np.float32)
    if (slope, intercept) == (1.0, 0.0):
        return values, ()
    if slope == 0:
        raise ImageError("the DICOM's RescaleSlope is 0, which leaves no picture; export it again")
    return values * np.float32(slope) + np.float32(intercept), (f"rescaled by {slope:g}, {intercept:g}",)


def seen_through_window(values: np.ndarray, dataset: pydicom.Dataset) -> tuple[np.ndarray, str]:
    """The VOI step, scaled so that 0 is black and 1 white, and its note."""
    if dataset.get("VOILUTSequence"):
        item = dataset.VOILUTSequence[0]
        entries = table_entries(item, dataset)
        # Some senders declare 16 bits and fill 12: the table's own extremes are black and white.
        low, high = float(entries.min()), float(entries.max())
        return (through_table(values, item, dataset) - low) / max(high - low, 1), "VOI LUT applied"
    center, width = number(dataset, "WindowCenter", None), number(dataset, "WindowWidth", None)
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if center is not None and width is not None and function in FUNCTIONS and usable(width, function):
        kind = "" if function == "LINEAR" else f" {function.lower()}"
        return windowed(values, center, width, function), f"window {center:g}/{width:g}{kind} applied"
    low, high = (float(p) for p in np.percentile(values, ROBUST))
    absent = "no window in the file" if width is None else "unusable window ignored"
    return (values - low) / (high - low if high > low else 1), f"{absent}: percentiles {ROBUST[0]} to {ROBUST[1]} shown"


def windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """A window of DICOM PS3.3 C.11.2.1.2 (LINEAR) or C.11.2.1.3 (SIGMOID, LINEAR_EXACT), scaled to 0..1."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -80, 80)))
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    if width == 1:
        return (values > center - 0.5).astype(np.float32)
    return (values - (center - 0.5)) / (width - 1) + 0.5


def usable(width: float, function: str) -> bool:
    return width >= 1 if function == "LINEAR" else width > 0


def through_table(values: np.ndarray, item: pydicom.Dataset, dataset: pydicom.Dataset) -> np.ndarray:
    """A modality or VOI LUT (PS3.3 C.11.1.1): values below and above the table take its first and last entry."""
    first = int(item.LUTDescriptor[1])
    entries = table_entries(item, dataset)
    return entries[np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)]


def table_entries(item: pydicom.Dataset, dataset: pydicom.Dataset) -> np.ndarray:
    """The entries as float32. LUTData may come as numbers or, with VR OW, as bytes."""
    raw = item.LUTData
    if isinstance(raw, bytes):
        count = int(item.LUTDescriptor[0]) or 2**16
        order = ">" if dataset.original_encoding[1] is False else "<"
        raw = np.frombuffer(raw, f"{order}u2" if len(raw) >= 2 * count else "u1")[:count]
    entries = np.asarray(raw, np.float32).reshape(-1)
    if not entries.size:
        raise ImageError("the DICOM's lookup table is empty; export it again")
    return entries


def number(dataset: pydicom.Dataset, name: str, default):
    """A number of the data set; of several windows the first, which is the default one (MultiValue is not a list)."""
    value = dataset.get(name)
    if isinstance(value, MultiValue):
        value = value[0] if len(value) else None
    if value is None or value == "":
        return default
    if not np.isfinite(float(value)):
        raise ImageError(f"the DICOM's {name} is not a number; export it again")
    return float(value)
