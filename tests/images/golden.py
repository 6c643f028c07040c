"""Films compressed by DCMTK (OFFIS), an encoder independent of our decoders: `python -m tests.images.golden` writes
golden/*.dcm anew from `made.ramp` (no patient is in them).

    NAME.dcm is what `command` made of the uncompressed film; the values that must come out are known: `wanted(NAME)`.
    Of lossless ones they are what went in; of lossy ones what DCMTK's own decoder makes of NAME.dcm (decoded.npz).
    JPEG 2000, which DCMTK does not write, is openjpeg's.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pydicom

from tests.images.made import dicom, jpeg2000, ramp

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
}
LOSSY = {  # name -> DCMTK's decoder, by how many stored values another one may differ from it
    "jpeg-baseline-8": ("dcmdjpeg", 1),
    "jpeg-extended-8": ("dcmdjpeg", 1),
    "jpeg-extended-12": ("dcmdjpeg", 1),
    "jpeg-ls-near-12": ("dcmdjpls", 0),
}


def wanted(name: str) -> np.ndarray:
    """(H, W) float64 in 0..1: what `read_film` should show."""
    stored, _, center, width = FILMS[MADE[name][0]]
    if name in LOSSY:
        stored = np.load(FOLDER / "decoded.npz")[name]
    return (stored.astype(float) - center) / width + 0.5


def tolerance(name: str) -> float:
    """The largest difference, of 0..1, between two sound decoders."""
    return LOSSY.get(name, ("", 0))[1] / FILMS[MADE[name][0]][3] + 1e-6


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
                out.write_bytes(jpeg2000(stored, bits, **tags))
            if name in LOSSY:
                subprocess.run([LOSSY[name][0], str(out), str(plain)], check=True)
                decoded[name] = pydicom.dcmread(plain).pixel_array
    np.savez_compressed(FOLDER / "decoded.npz", **decoded)


if __name__ == "__main__":
    main()
