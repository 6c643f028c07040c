"""Where PhysioNet's files lie under a folder: tables, films (JPG or DICOM) and reports (unpacked or in their zip).

    ROOT/mimic-cxr-2.0.0-{split,metadata,chexpert}.csv[.gz]
    ROOT/files/p10/p10000032/s50414267/<dicom_id>.jpg or .dcm
    ROOT/mimic-cxr-reports/files/p10/p10000032/s50414267.txt, ROOT/files/... or ROOT/mimic-cxr-reports.zip

The three may also lie apart, as a download of both projects leaves them: ROOT/physionet.org/files/mimic-cxr-jpg/2.1.0/
and .../mimic-cxr/2.1.0/. The newest version is looked at first, JPG before DICOM, unpacked reports before the zip.
"""

from __future__ import annotations

import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mrg_llm.errors import DataError

PROJECTS = {"mimic-cxr-jpg": (".jpg",), "mimic-cxr": (".dcm",)}  # PhysioNet's name -> what its films are
SUFFIXES = (".jpg", ".dcm")
TABLE = "mimic-cxr-2.0.0-{}.csv"  # the name did not change with version 2.1.0
REPORTS = "mimic-cxr-reports"
GROUPS = tuple(f"p{number}" for number in range(10, 20))  # the folders that patients are in, by their first two digits
VERSION = re.compile(r"\d+(\.\d+)*")
LONGEST_REPORT = 1 << 20  # bytes; the longest of MIMIC-CXR has a few thousand
DAMAGED = (  # what zipfile raises for bytes that are no zip, or no longer
    OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip
PACKED = re.compile(r"(.*?)p\d\d/p\d+/s\d+\.txt")


@dataclass
class Layout:
    """films: (folder, suffix) to look in, in order. reports: folders to look in. missing: films that were not found."""

    root: Path
    places: tuple[Path, ...]
    films: tuple[tuple[str, str], ...]
    reports: tuple[str, ...]
    missing: set[Path] = field(default_factory=set)

    def table(self, name: str) -> Path | None:
        """The table of that name ("split", "metadata", "chexpert"), plain or packed."""
        files = (place / (TABLE.format(name) + suffix) for place in self.places for suffix in ("", ".gz"))
        return next((file for file in files if file.is_file()), None)

    def needed_table(self, name: str) -> Path:
        found = self.table(name)
        if found is None:
            raise DataError(
                f"{self.root} holds no {TABLE.format(name)} or .csv.gz; download it from PhysioNet's MIMIC-CXR-JPG and "
                "put it there"
            )
        return found

    def film(self, patient: str, study: str, name: str) -> Path:
        """The file of a film; where there is none, the path it should have, which is then in `missing`."""
        inside = f"{folder_of(patient)}/s{study}/{name}"
        for base, suffix in self.films:
            path = f"{base}/{inside}{suffix}"
            if os.path.isfile(path):
                return Path(path)
        base, suffix = self.films[0] if self.films else (str(self.root / "files"), SUFFIXES[0])
        path_ = Path(f"{base}/{inside}{suffix}")
        self.missing.add(path_)
        return path_

    def report(self, patient: str, study: str) -> bytes | None:
        """The bytes of a study's report, None where there is no such file. Raises DataError for one beyond reason."""
        name = f"{folder_of(patient)}/s{study}.txt"
        for base in self.reports:
            try:
                with open(f"{base}/{name}", "rb") as file:
                    return self.checked(file.read(LONGEST_REPORT + 1), study)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise DataError(f"the report of study s{study} cannot be read ({type(error).__name__})") from error
        packed = self.packed
        if packed is None:
            return None
        try:
            with packed[0].open(packed[1] + name) as file:
                return self.checked(file.read(LONGEST_REPORT + 1), study)
        except KeyError:
            return None
        except DAMAGED as error:
            raise DataError(
                f"{packed[0].filename} does not give the report of study s{study} ({type(error).__name__}); "
                "download it again"
            ) from error

    def close(self) -> None:
        """Lets go of the zip."""
        if packed := self.__dict__.get("packed"):  # not to open it for this
            packed[0].close()

    def checked(self, content: bytes, study: str) -> bytes:
        if len(content) > LONGEST_REPORT:
            raise DataError(f"the report of study s{study} is longer than a megabyte; no report is, fetch it again")
        return content

    @cached_property
    def packed(self) -> tuple[zipfile.ZipFile, str] | None:
        """The zip of all reports and what its names begin with, where it lies there."""
        file = next((path for place in self.places if (path := place / f"{REPORTS}.zip").is_file()), None)
        if file is None:
            return None
        try:
            archive = zipfile.ZipFile(file)
        except DAMAGED as error:
            raise DataError(f"{file} is not a zip file ({type(error).__name__}); download it again") from error
        first = next(filter(None, map(PACKED.fullmatch, archive.namelist())), None)
        if first is None:
            raise DataError(f"{file} holds no reports (p10/p10000032/s50414267.txt ...); download it again")
        return archive, first[1]


def layout_of(root: Path) -> Layout:
    """Looks for PhysioNet's folders under `root`."""
    places = tuple(dict.fromkeys(place for place in places_under(root) if place.is_dir()))
    films: list[tuple[str, str]] = []
    reports: list[str] = []
    for place in places:
        if grouped(place / "files"):
            kinds = next((kinds for name, kinds in PROJECTS.items() if name in place.parts[-2:]), SUFFIXES)
            films += [(str(place / "files"), suffix) for suffix in kinds]
        folders = (place / REPORTS / "files", place / REPORTS, place / "files")
        reports += [str(folder) for folder in folders if grouped(folder)]
    return Layout(root, places, tuple(sorted(films, key=lambda film: film[1] == ".dcm")), tuple(reports))


def places_under(root: Path) -> Iterator[Path]:
    """Folders that may hold tables, `files` or reports: the root, and versions of both projects."""
    yield root
    yield from versions(root)
    for base in (root, root / "physionet.org" / "files", root / "files"):
        for project in PROJECTS:
            yield from versions(base / project)
            yield base / project


def versions(project: Path) -> list[Path]:
    """2.1.0 before 2.0.0."""
    if not project.is_dir():
        return []
    found = [folder for folder in project.iterdir() if VERSION.fullmatch(folder.name)]
    return sorted(found, key=lambda folder: [int(part) for part in folder.name.split(".")], reverse=True)


def grouped(folder: Path) -> bool:
    """Are there patients' folders in it?"""
    return folder.is_dir() and any((folder / group).is_dir() for group in GROUPS)


def folder_of(patient: str) -> str:
    """ "p10/p10000032" of "10000032"."""
    return f"p{patient[:2]}/p{patient}"
