"""DICOM -> 2-D array in 0..1, bright where the film is dense, as the sender meant it to be seen.

The order of PS3.4 (Grayscale Standard Display): stored values by BitsStored, modality LUT, VOI window or LUT, then one
inversion for MONOCHROME1 or PresentationLUTShape INVERSE. No value of a patient's tag ever enters a message.
"""

from __future__ import annotations

import io

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from mrg_llm.errors import ImageError
from mrg_llm.images.limits import MAX_FRAMES, check_size

MODALITIES = {"CR", "DX", "DR", "RG", "RF", "XC", "OT"}  # projection films; old scanners send OT
GRAY = ("MONOCHROME1", "MONOCHROME2")
ROBUST = (0.5, 99.5)  # percentiles shown where the file says nothing of a window


def read_dicom(data: bytes) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """(H, W) float32 in 0..1, the bits stored, and notes on what was applied. Raises ImageError."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    refuse_other_objects(dataset)
    stored = dataset.pixel_array
    if stored.ndim != 2:
        raise ImageError(f"the DICOM holds pixels of {stored.ndim} dimensions; a film has two")
    notes: list[str] = []
    values = np.asarray(apply_modality_lut(stored, dataset), np.float64)
    shown, low, high = displayed(values, dataset, notes)
    picture = np.clip((shown - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)
    if dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        picture = 1 - picture
        notes.append("inverted: dense is bright")
    return picture, int(dataset.BitsStored), tuple(notes)


def refuse_other_objects(dataset: pydicom.Dataset) -> None:
    """One sentence for everything that is not one gray projection film."""
    if "PixelData" not in dataset:
        raise ImageError("the DICOM object holds no pixels (a report or a presentation state?); give the image object")
    modality = str(dataset.get("Modality", "")).strip().upper()
    if modality and modality not in MODALITIES:
        raise ImageError(f"the DICOM's modality is {modality[:4]}; a chest film is one of {', '.join(sorted(MODALITIES))}")
    if int(dataset.get("NumberOfFrames") or 1) > MAX_FRAMES:
        raise ImageError("the DICOM holds several frames; give one film a file")
    photometric = str(dataset.get("PhotometricInterpretation", "")).strip()
    if int(dataset.get("SamplesPerPixel", 1)) != 1 or photometric not in GRAY:
        raise ImageError("the DICOM is in colour; a chest film is MONOCHROME1 or MONOCHROME2")
    check_size(int(dataset.Rows), int(dataset.Columns))


def displayed(values: np.ndarray, dataset: pydicom.Dataset, notes: list[str]) -> tuple[np.ndarray, float, float]:
    """Values after the VOI step, and the range that becomes black to white."""
    if dataset.get("VOILUTSequence"):
        notes.append("VOI LUT applied")
        shown = apply_voi_lut(values.astype(np.int64), dataset, prefer_lut=True).astype(np.float64)
        entries = np.asarray(dataset.VOILUTSequence[0].LUTData, np.float64)
        return shown, float(entries.min()), float(entries.max())
    if dataset.get("WindowWidth") is not None and dataset.get("WindowCenter") is not None:
        center, width = first(dataset.WindowCenter), first(dataset.WindowWidth)
        function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
        notes.append(f"window {function.lower()} applied")
        return windowed(values, center, width, function), 0.0, 1.0
    notes.append("no window in the file: shown from percentile 0.5 to 99.5")
    low, high = np.percentile(values, ROBUST)
    return values, float(low), float(high)


def windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, scaled to 0..1."""
    if width <= 0 or (function == "LINEAR" and width < 1):
        raise ImageError(f"the DICOM's window is {width:g} wide, which nothing can be seen through")
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def first(value) -> float:
    """Several windows may be offered; the first is the default one (MultiValue is not a list)."""
    return float(value[0]) if isinstance(value, pydicom.multival.MultiValue) else float(value)
