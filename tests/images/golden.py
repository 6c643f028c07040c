"""Films compressed by DCMTK (OFFIS), an encoder independent of our decoders: `python -m tests.images.golden` writes
golden/*.dcm anew from `made.ramp` (no patient is in them).

    NAME.dcm is what `command` made of the uncompressed film; its stored values are known: `stored(NAME)`.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tests.images.made import dicom, ramp

FOLDER = Path(__file__).with_name("golden")
SIGNED = (ramp(12).astype(np.int32) - 2048).astype(np.int16)
FULL = {"VOILUTFunction": "LINEAR_EXACT"}
FILMS = {  # the film -> values as stored, bits, window centre and width
    "8": (ramp(8).astype(np.uint8), 8, 127.5, 255),
    "12": (ramp(12), 12, 2047.5, 4095),
    "16": (ramp(16), 16, 32767.5, 65535),
    "signed": (SIGNED, 12, -0.5, 4095),
}
MADE = {  # name -> film, DCMTK's command, largest error in stored values
    "rle-16": ("16", ["dcmcrle"], 0),
    "deflated-12": ("12", ["dcmconv", "+td"], 0),
    "implicit-signed": ("signed", ["dcmconv", "+ti"], 0),
    "big-endian-12": ("12", ["dcmconv", "+tb"], 0),
    "jpeg-baseline-8": ("8", ["dcmcjpeg", "+eb", "+q", "100"], 4),
    "jpeg-extended-12": ("12", ["dcmcjpeg", "+ee", "+q", "100"], 64),
    "jpeg-lossless-8": ("8", ["dcmcjpeg", "+el"], 0),
    "jpeg-lossless-12": ("12", ["dcmcjpeg", "+el"], 0),
    "jpeg-lossless-sv1-16": ("16", ["dcmcjpeg", "+e1"], 0),
    "jpeg-ls-12": ("12", ["dcmcjpls", "+el"], 0),
    "jpeg-ls-16": ("16", ["dcmcjpls", "+el"], 0),
    "jpeg-ls-near-12": ("12", ["dcmcjpls", "+en", "+md", "3"], 3),
}


def wanted(name: str) -> np.ndarray:
    """(H, W) float64 in 0..1: what `read_film` should show."""
    stored, _, center, width = FILMS[MADE[name][0]]
    return (stored - center) / width + 0.5


def tolerance(name: str) -> float:
    """The largest difference, of 0..1, that the compression may make."""
    return MADE[name][2] / FILMS[MADE[name][0]][3] + 1e-6


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.dcm"
        for name, (film, command, _) in MADE.items():
            stored, bits, center, width = FILMS[film]
            plain.write_bytes(dicom(stored, bits, WindowCenter=center, WindowWidth=width, **FULL))
            subprocess.run([*command, str(plain), str(FOLDER / f"{name}.dcm")], check=True)


if __name__ == "__main__":
    main()
