"""Films compressed by DCMTK (OFFIS), an encoder independent of our decoders: `python -m tests.images.golden` writes
golden/*.dcm anew from `made.ramp` (no patient is in them).

    NAME.dcm is what `command` made of the uncompressed film; the values that must come out are known: `wanted(NAME)`.
    Of lossless ones they are what went in; of lossy ones what DCMTK's own decoder makes of NAME.dcm (decoded.npz).
    JPEG 2000, which DCMTK does not write, is openjpeg's, and HTJ2K OpenJPH's.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from openjpeg.utils import encode_array

from tests.images.made import dicom, encapsulated, jpeg2000, ramp

FOLDER = Path(__file__).with_name("golden")
SIGNED = (ramp(12).astype(np.int32) - 2048).astype(np.int16)
FULL = {"VOILUTFunction": "LINEAR_EXACT"}
FILMS = {  # the film -> values as stored, bits, window centre and width
    "8": (ramp(8).astype(np.uint8), 8, 127.5, 255),
    "12": (ramp(12), 12, 2047.5, 4095),
    "16": (ramp(16), 16, 32767.5, 65535),
    "signed": (SIGNED, 12, -0.5, 4095),
}
MADE = {  # name -> film, DCMTK's command
    "explicit-16": ("16", ["dcmconv", "+te"]),
    "implicit-signed": ("signed", ["dcmconv", "+ti"]),
    "big-endian-12": ("12", ["dcmconv", "+tb"]),
    "deflated-12": ("12", ["dcmconv", "+td"]),
    "rle-16": ("16", ["dcmcrle"]),
    "rle-signed": ("signed", ["dcmcrle"]),
    "jpeg-baseline-8": ("8", ["dcmcjpeg", "+eb", "+q", "90"]),
    "jpeg-extended-8": ("8", ["dcmcjpeg", "+ee", "+q", "90"]),
    "jpeg-extended-12": ("12", ["dcmcjpeg", "+ee", "+q", "90"]),
    "jpeg-lossless-8": ("8", ["dcmcjpeg", "+el"]),
    "jpeg-lossless-12": ("12", ["dcmcjpeg", "+el", "+sv", "6"]),
    "jpeg-lossless-sv1-16": ("16", ["dcmcjpeg", "+e1"]),
    "jpeg-lossless-sv1-signed": ("signed", ["dcmcjpeg", "+e1"]),
    "jpeg-ls-8": ("8", ["dcmcjpls", "+el"]),
    "jpeg-ls-12": ("12", ["dcmcjpls", "+el"]),
    "jpeg-ls-16": ("16", ["dcmcjpls", "+el"]),
    "jpeg-ls-signed": ("signed", ["dcmcjpls", "+el"]),
    "jpeg-ls-near-12": ("12", ["dcmcjpls", "+en", "+md", "3"]),
    "jpeg-2000-signed": ("signed", []),
    "jpeg-2000-lossy-12": ("12", []),
    "htj2k-12": ("12", []),
}
LOSSY = {  # name -> DCMTK's decoder, by how many stored values another one may differ from it
    "jpeg-baseline-8": ("dcmdjpeg", 1),
    "jpeg-extended-8": ("dcmdjpeg", 1),
    "jpeg-extended-12": ("dcmdjpeg", 1),
    "jpeg-ls-near-12": ("dcmdjpls", 0),
}


TOLERANCE = {"jpeg-2000-lossy-12": 4}  # nobody else decodes it here: compared with what went in


def wanted(name: str) -> np.ndarray:
    """(H, W) float64 in 0..1: what `read_film` should show."""
    stored, _, center, width = FILMS[MADE[name][0]]
    if name in LOSSY:
        stored = np.load(FOLDER / "decoded.npz")[name]
    return (stored.astype(float) - center) / width + 0.5


def tolerance(name: str) -> float:
    """The largest difference, of 0..1, that is no mistake."""
    return LOSSY.get(name, ("", TOLERANCE.get(name, 0)))[1] / FILMS[MADE[name][0]][3] + 1e-6


def wavelets(name: str, stored: np.ndarray, bits: int, tags: dict) -> bytes:
    if name.startswith("htj2k"):
        from imagecodecs import htj2k_encode

        return encapsulated(htj2k_encode(stored), stored, bits, pydicom.uid.HTJ2KLossless, **tags)
    if "lossy" not in name:
        return jpeg2000(stored, bits, **tags)
    frame = encode_array(stored, bits_stored=bits, compression_ratios=[8])
    return encapsulated(frame, stored, bits, pydicom.uid.JPEG2000, **tags)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    decoded = {}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.dcm"
        for name, (film, command) in MADE.items():
            stored, bits, center, width = FILMS[film]
            tags = {"WindowCenter": center, "WindowWidth": width, **FULL}
            out = FOLDER / f"{name}.dcm"
            plain.write_bytes(dicom(stored, bits, **tags))
            if command:
                subprocess.run([*command, str(plain), str(out)], check=True)
            else:
                out.write_bytes(wavelets(name, stored, bits, tags))
            if name in LOSSY:
                subprocess.run([LOSSY[name][0], str(out), str(plain)], check=True)
                decoded[name] = pydicom.dcmread(plain).pixel_array
    np.savez_compressed(FOLDER / "decoded.npz", **decoded)


if __name__ == "__main__":
    main()
