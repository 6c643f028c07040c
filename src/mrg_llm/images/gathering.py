"""What a person gives as one study -> its films: files, a folder, a zip, or a DICOMDIR.

    [front.dcm, lateral.dcm] | study/ | study.zip | DICOMDIR   ->   Gathered: one source a film, frontal views first

A folder or zip holds whatever hospitals put there; what is a film is told from its content. Films of two studies are
refused, since one report cannot be about both. Members of a zip are read into memory, never extracted: their names are
not trusted, and neither are the sizes they claim.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrg_llm.errors import ImageError
from mrg_llm.images.heads import FRONTAL, PEEK_BYTES, dicom_head, first_bytes
from mrg_llm.images.limits import MAX_BYTES, MAX_FILES, MAX_ZIP_BYTES, check_bytes
from mrg_llm.images.sniff import HEAD_BYTES, sniff

NOT_IMAGES = ("SR", "PR", "KO", "DOC", "SEG")  # modalities that travel beside films, and are passed over


@dataclass(frozen=True)
class Candidate:
    """A file that may be a film. source: a path, or the bytes of a zip's member. name: how a message calls it. study,
    position, modality: of a DICOM, None where it does not say."""

    name: str
    source: Path | bytes
    study: str | None = None
    position: str | None = None
    modality: str | None = None


def gather(given: Sequence[str | Path | bytes]) -> list[Candidate]:
    """The films of one study, frontal first where the files say so, else in the order given (of names, in a folder).
    Bytes are the content of a film's file.

    Raises ImageError where there is none, where they are of two studies, or where a zip is a bomb.
    """
    found: list[Candidate] = []
    for number, item in enumerate(given, start=1):
        if isinstance(item, bytes):
            found.append(looked_at(f"film {number}", item))
            continue
        path = Path(item)
        if path.is_dir():
            found += passing(files_of(path), path)
        elif path.name.upper() == "DICOMDIR":
            found += passing((file for file in files_of(path.parent) if file != path), path)
        elif is_zip(path):
            found += from_zip(path)
        else:
            found.append(looked_at(str(path), path))
    names = ", ".join("bytes" if isinstance(item, bytes) else str(item) for item in given) or "nothing"
    if not found:
        raise ImageError(f"{names} holds no film; give DICOM, PNG or JPEG files")
    studies = {film.study for film in found if film.study}
    if len(studies) > 1:
        raise ImageError(f"{names} holds films of {len(studies)} studies; a report is about one: give its films")
    return sorted(found, key=lambda film: film.position not in FRONTAL if film.position else 0.5)


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, by name; links are not followed. Raises ImageError for too many."""
    files: list[Path] = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            files.append(path)
        if len(files) > MAX_FILES:
            raise ImageError(f"{folder} holds more than {MAX_FILES:,} files; give the folder of one study")
    return sorted(files)


def passing(files: Iterator[Path] | Sequence[Path], where: Path) -> Iterator[Candidate]:
    """The films among a folder's files; what is of no kind we read, or no image, is passed over."""
    for path in files:
        try:
            film = looked_at(str(path), path)
        except ImageError:
            continue
        if film.modality not in NOT_IMAGES and path.name.upper() != "DICOMDIR":
            yield film


def looked_at(name: str, source: Path | bytes) -> Candidate:
    """A file with what its head says. Raises ImageError for what is of no kind we read."""
    try:
        head = source[:PEEK_BYTES] if isinstance(source, bytes) else first_bytes(source)
        if sniff(head[:HEAD_BYTES]) != "dicom":
            return Candidate(name, source)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    said = dicom_head(head)
    return Candidate(name, source, said.study, said.position, said.modality)


def is_zip(path: Path) -> bool:
    try:
        return path.is_file() and zipfile.is_zipfile(path) and first_bytes(path).startswith(b"PK")
    except (OSError, ImageError):
        return False


def from_zip(path: Path) -> list[Candidate]:
    """The films in a zip, read into memory. Raises ImageError for a bomb, a damaged or an encrypted one."""
    found: list[Candidate] = []
    total = 0
    try:
        check_bytes(path.stat().st_size)
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES:
                raise ImageError(f"it holds more than {MAX_FILES:,} files; give the films of one study")
            for number, member in enumerate(sorted(members, key=lambda member: member.filename), start=1):
                with archive.open(member) as file:
                    data = file.read(min(MAX_BYTES, MAX_ZIP_BYTES - total) + 1)
                total += len(data)
                if len(data) > MAX_BYTES or total > MAX_ZIP_BYTES:
                    raise ImageError(f"it unpacks to more than {MAX_ZIP_BYTES:,} bytes; give the films of one study")
                try:
                    film = looked_at(f"{path} (file {number})", data)  # members' names may be a patient's
                except ImageError:
                    continue
                if film.modality not in NOT_IMAGES and not member.filename.upper().endswith("DICOMDIR"):
                    found.append(film)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except Exception as error:  # zipfile raises a dozen kinds for damage, passwords and methods it does not know
        raise ImageError(
            f"{path} is a damaged, encrypted or unknown zip ({type(error).__name__}); zip it anew"
        ) from None
    return found
