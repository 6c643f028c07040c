"""Which decoder reads which DICOM transfer syntax; docs/data.md has the table with licences.

pydicom left to itself tries whatever plugin is installed, GDCM first, which some damaged films end by SIGABRT. So each
syntax has one decoder here, and no other gets its frames.
"""

from __future__ import annotations

from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from mrg_llm.errors import ImageError
from mrg_llm.images import turbojpeg

DECODERS = {  # pydicom's plugin -> what it decodes here
    "pydicom": (RLELossless,),
    "pillow": (JPEGBaseline8Bit,),
    "pylibjpeg": (JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL),
    "pyjpegls": (JPEGLSLossless, JPEGLSNearLossless),
    turbojpeg.NAME: turbojpeg.SYNTAXES,  # ours: pydicom has none
}
INSTALL = {turbojpeg.NAME: "mrg-llm[dicom]", "pylibjpeg": "pylibjpeg-openjpeg"}  # where the name is another

for _syntax in turbojpeg.SYNTAXES:
    get_decoder(_syntax).add_plugin(turbojpeg.NAME, (turbojpeg.__name__, "decode_frame"))


def decoder_for(syntax: UID, bits: int) -> str:
    """The plugin that decodes films of `bits` stored bits in a syntax. Raises ImageError, saying what to install, where
    there is none."""
    if syntax == JPEGExtended12Bit and bits <= 8:
        return "pillow"
    plugin = next((name for name, syntaxes in DECODERS.items() if syntax in syntaxes), "")
    if not plugin:
        name = syntax.name if syntax.name != str(syntax) else "an unknown way"
        raise ImageError(f"the DICOM is compressed as {name}, which we do not read; rewrite it uncompressed (dcmconv)")
    if plugin not in get_decoder(syntax).available_plugins:
        raise ImageError(
            f"the DICOM is compressed as {syntax.name}, whose decoder is not installed; pip install "
            f"'{INSTALL.get(plugin, plugin)}', or rewrite it uncompressed (dcmdjpeg)"
        )
    return plugin
