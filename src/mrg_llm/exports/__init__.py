"""A draft report -> the bytes of a file: `render(draft, "dicom-sr")`, `save(data, path)`.

Every format says that it is a draft for research only. Those with `identity` also say whose films it is about, as
`read_identity` found it in them; the others hold nothing of the patient.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mrg_llm.errors import ImageError, ResourceError, SettingsError
from mrg_llm.exports.draft import DraftReport, Sentence, split_sentences
from mrg_llm.exports.identity import SourceFilm, StudyIdentity, read_identity
from mrg_llm.files import write_whole

__all__ = [
    "FORMATS",
    "DraftReport",
    "Format",
    "Sentence",
    "SourceFilm",
    "StudyIdentity",
    "check_format",
    "check_study",
    "read_identity",
    "render",
    "save",
    "split_sentences",
]


@dataclass(frozen=True)
class Format:
    """writer: module and function. identity: "none" goes in, what there is ("any"), or it "must" be there. binary: not
    for a terminal. needs: packages of the extra `exports`."""

    writer: str
    media_type: str
    identity: str = "none"
    binary: bool = False
    needs: tuple[str, ...] = ()

    def __call__(self, draft: DraftReport) -> bytes:
        module, _, function = self.writer.partition(":")
        write: Callable[[DraftReport], bytes] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        return write(draft)


FORMATS = {
    "text": Format("plain:as_text", "text/plain; charset=utf-8"),
    "json": Format("plain:as_json", "application/json"),
    "markdown": Format("plain:as_markdown", "text/markdown; charset=utf-8"),
    "pdf": Format("pdf:as_pdf", "application/pdf", "any", binary=True, needs=("reportlab",)),
    "dicom-sr": Format("dicom_sr:as_dicom_sr", "application/dicom", "must", binary=True),
    "dicom-pdf": Format("dicom_pdf:as_dicom_pdf", "application/dicom", "must", binary=True, needs=("reportlab",)),
    "fhir": Format("fhir:as_fhir", "application/fhir+json", "any", needs=("fhir.resources",)),
}


def check_format(name: str, *, terminal: bool = False) -> None:
    """Raises SettingsError for a format that does not exist, whose packages are not installed, or that no terminal can
    show; called before a model is loaded."""
    if name not in FORMATS:
        raise SettingsError(f"{name} is not a format; give one of {', '.join(FORMATS)}")
    for package in FORMATS[name].needs:
        if not importable(package):
            raise SettingsError(f"--format {name} needs {package}, which is not installed; pip install "
                                "'mrg-llm[exports]'")  # fmt: skip
    if terminal and FORMATS[name].binary:
        raise SettingsError(f"{name} is no text for a terminal; give --out a file to write it to")


def importable(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it lies in
        return False


def check_study(name: str, study: StudyIdentity | None) -> None:
    """Raises ImageError where a format must say whose films it is about and nobody knows."""
    if study is None and FORMATS[name].identity == "must":
        raise ImageError(
            f"{name} must name the study that the films belong to, and not every film given says so (a PNG or JPEG "
            "cannot); give the study's DICOM files, or choose pdf or fhir, which are written without"
        )


def render(draft: DraftReport, format: str) -> bytes:
    """The bytes of a file: text is UTF-8. Raises SettingsError for a format that cannot be had, ImageError where it
    must name a study and the draft has none."""
    check_format(format)
    check_study(format, draft.study)
    return FORMATS[format](draft)


def save(data: bytes, path: Path) -> None:
    """Write a file whole or not at all, for this user alone. Raises ResourceError where the path cannot be written."""
    try:
        write_whole(path, data, shared=True, mode=0o600)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written ({type(error).__name__}); give --out a file in a folder "
                            "that exists and is yours to write") from None  # fmt: skip
