"""Small films made on the spot, in every form the readers know."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from openjpeg.utils import encode_array
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless, generate_uid

CR_STORAGE = UID("1.2.840.10008.5.1.4.1.1.1")


def ramp(bits: int = 12, rows: int = 40, columns: int = 48) -> np.ndarray:
    """(rows, columns) uint16, every value different from its neighbours, from 0 to the largest of `bits`."""
    values = np.linspace(0, 2**bits - 1, rows * columns)
    return values.round().astype(np.uint16).reshape(rows, columns)


def dicom_set(stored: np.ndarray, bits: int = 12, syntax: UID = ExplicitVRLittleEndian, **tags) -> pydicom.Dataset:
    """A computed radiograph around `stored`; a tag given as None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CR_STORAGE, generate_uid(entropy_srcs=["film"])
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    big = syntax == pydicom.uid.ExplicitVRBigEndian
    values = {
        "SOPClassUID": CR_STORAGE, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "DX",
        "PatientName": "Secret^Person", "PatientID": "SECRET-7", "SamplesPerPixel": 1, "Rows": stored.shape[0],
        "PhotometricInterpretation": "MONOCHROME2", "Columns": stored.shape[1], "BitsAllocated": 8 * stored.itemsize,
        "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(stored.dtype.kind == "i"),
        "PixelData": stored.astype(stored.dtype.newbyteorder(">" if big else "<")).tobytes(),
    }  # fmt: skip
    for name, value in (values | tags).items():
        if value is not None:
            setattr(dataset, name, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW" if stored.itemsize > 1 else "OB"
    return dataset


def to_bytes(dataset: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def dicom(stored: np.ndarray, bits: int = 12, **tags) -> bytes:
    return to_bytes(dicom_set(stored, bits, **tags))


def rle(stored: np.ndarray, bits: int = 12, **tags) -> bytes:
    dataset = dicom_set(stored, bits, **tags)
    dataset.compress(RLELossless, generate_instance_uid=False)
    return to_bytes(dataset)


def jpeg2000(stored: np.ndarray, bits: int = 12, **tags) -> bytes:
    """Lossless, encoded by openjpeg itself."""
    return encapsulated(encode_array(stored, bits_stored=bits), stored, bits, JPEG2000Lossless, **tags)


def jpeg_dicom(stored: np.ndarray, **tags) -> bytes:
    """JPEG baseline around 8-bit values."""
    return encapsulated(jpeg(stored), stored, 8, JPEGBaseline8Bit, **tags)


def encapsulated(frame: bytes, stored: np.ndarray, bits: int, syntax: UID, **tags) -> bytes:
    """Any bytes as the one compressed frame of a film that claims to be like `stored`."""
    dataset = dicom_set(stored, bits, **tags)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    return to_bytes(dataset)


def png(values: np.ndarray, **options) -> bytes:
    return saved(Image.fromarray(values), "PNG", **options)


def jpeg(values: np.ndarray, **options) -> bytes:
    return saved(Image.fromarray(values), "JPEG", **({"quality": 95} | options))


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
