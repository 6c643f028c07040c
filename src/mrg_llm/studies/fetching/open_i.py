"""Open-i's chest films of Indiana University, fetched into the layout that `iu-xray:` reads.

    OUT/archives/NLMCXR_*.tgz, fetched.json     what was fetched; fetched.json has size and SHA-256 of each
    OUT/ecgen-radiology/*.xml                   reports
    OUT/NLMCXR_png/*.png, NLMCXR_dcm/*/*.dcm    films

Open-i publishes no checksums. So the size is compared with what the server announces, the archive is read to its end
(gzip carries a CRC of its content), and the SHA-256 of the first download is written down: later calls compare with it,
and so can anybody with whom it is shared.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.files import write_whole
from mrg_llm.studies.fetching.download import ask, download
from mrg_llm.studies.fetching.unpack import unpack

BASE = "https://openi.nlm.nih.gov/imgs/collections/"
LICENCE = (
    "IU X-ray (Demner-Fushman et al., JAMIA 2016; Indiana University, served by Open-i of the U.S. National Library of "
    "Medicine) is licensed CC BY-NC-ND 4.0: give credit, no commercial use, no sharing of altered copies."
)


@dataclass(frozen=True)
class Archive:
    """name: the file on the server. folder: where it is unpacked, under OUT. about_bytes: its size as others met it,
    for a plan without a connection. most_bytes: more than it unpacks to.
    """

    name: str
    folder: str
    what: str
    about_bytes: int
    most_bytes: int


REPORTS = Archive("NLMCXR_reports.tgz", "ecgen-radiology", "3,955 reports", 1_100_000, 200_000_000)
PNG = Archive("NLMCXR_png.tgz", "NLMCXR_png", "7,470 films as PNG", 1_360_000_000, 20_000_000_000)
DICOM = Archive("NLMCXR_dcm.tgz", "NLMCXR_dcm", "7,470 films as DICOM", 80_694_582_486, 300_000_000_000)
Told = Callable[[str, int, int | None], None]  # (what is being done, how much, of how much or None)


def archives(films: str) -> tuple[Archive, ...]:
    """films: "png", "dicom" or "both". Raises DataError for anything else."""
    chosen = {"png": (PNG,), "dicom": (DICOM,), "both": (PNG, DICOM)}
    if films not in chosen:
        raise DataError(f"--films is {films}, but must be one of {', '.join(chosen)}")
    return (REPORTS, *chosen[films])


def plan(out: Path, films: str = "png", base: str = BASE) -> Iterator[str]:
    """What `fetch_iu_xray` would do, a line an archive; asks the server for sizes, and says so where it cannot."""
    record = recorded(out)
    total = 0
    for archive in archives(films):
        url = address(base, archive)
        if done(out, archive, record):
            yield f"{url}: there already ({out / archive.folder})"
            continue
        try:
            bytes_ = ask(url).bytes
            source = "by the server" if bytes_ else "as others met it; the server does not say"
        except DataError as error:
            bytes_, source = None, f"as others met it; {error}"
        total += bytes_ or archive.about_bytes
        part = out / "archives" / f"{archive.name}.part"
        have = f", {part.stat().st_size:,} of them here" if part.is_file() else ""
        yield f"{url}: {archive.what}, {bytes_ or archive.about_bytes:,} bytes ({source}){have}"
    free = shutil.disk_usage(next(p for p in (out, *out.absolute().parents) if p.exists())).free
    yield f"{total:,} bytes to fetch, and more than twice that on the disk when unpacked; {free:,} are free"


def fetch_iu_xray(
    out: Path, films: str = "png", base: str = BASE, told: Told = lambda what, n, total: None
) -> list[str]:
    """Fetch and unpack into `out`; returns a sentence an archive. Whatever breaks off, the same call goes on.

    told: progress, as (what, done, all). Raises DataError for what is wrong with the server or an archive,
    ResourceError for the disk.
    """
    said = []
    chosen = archives(films)
    refuse_others_folders(out, chosen)
    for archive in chosen:
        record = recorded(out)
        if done(out, archive, record):
            said.append(f"{archive.folder}/ is there already")
            continue
        path = out / "archives" / archive.name
        known = record.get(archive.name, {}).get("sha256")
        if not path.is_file():
            download(address(base, archive), path, partial(told, f"fetching {archive.name}"))
        refuse_page(path)
        digest = sha256(path, partial(told, f"checking {archive.name}"))
        if known and digest != known:
            raise DataError(
                f"{path} has another SHA-256 than when it was first fetched ({out / 'archives' / 'fetched.json'} says "
                f"{known[:12]}...); remove the file that is wrong and fetch again"
            )
        if not known:  # so that a folder that is half of ours is known for ours, should this call be ended here
            write_record(out, record | {archive.name: {"url": address(base, archive)}})
        files = unpack(path, out / archive.folder, archive.most_bytes, partial(told, f"unpacking {archive.name}"))
        entry = {"url": address(base, archive), "bytes": path.stat().st_size, "sha256": digest, "files": files}
        write_record(out, record | {archive.name: entry})
        how = "as before" if known else "written down at this first download, since none is published"
        said.append(f"{archive.folder}/: {files:,} files; SHA-256 {digest} ({how})")
    return said


def address(base: str, archive: Archive) -> str:
    return f"{base.rstrip('/')}/{archive.name}"


def done(out: Path, archive: Archive, record: dict[str, Any]) -> bool:
    """Unpacked by an earlier call, with as many files as then."""
    folder = out / archive.folder
    files = record.get(archive.name, {}).get("files")
    return files is not None and folder.is_dir() and sum(path.is_file() for path in folder.rglob("*")) == files


def refuse_others_folders(out: Path, chosen: tuple[Archive, ...]) -> None:
    """What lies where an archive is unpacked, and was not put there by an earlier call, is not written over."""
    record = recorded(out)
    for archive in chosen:
        if archive.name not in record and (out / archive.folder).exists():
            raise DataError(
                f"{out / archive.folder} is there, but not from here; choose another --out, or move it away"
            )


def refuse_page(path: Path) -> None:
    """A server may answer with a page instead of an archive; keep nothing of it, so that the next call asks again."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            path.unlink()
            raise DataError(f"the server sent something that is not {path.name} (a page, perhaps); try again later")


def sha256(path: Path, progress: Callable[[int, int | None], None]) -> str:
    digest, count, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            progress(count := count + len(chunk), total)
    return digest.hexdigest()


def recorded(out: Path) -> dict[str, Any]:
    path = out / "archives" / "fetched.json"
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and all(isinstance(entry, dict) for entry in record.values()):
            return record
    except (OSError, ValueError):
        pass
    raise DataError(f"{path} is damaged; remove it, and everything is checked anew")


def write_record(out: Path, record: dict[str, Any]) -> None:
    path = out / "archives" / "fetched.json"
    try:
        write_whole(path, json.dumps(record, indent=1).encode())
    except OSError as error:
        raise ResourceError(f"{path} cannot be written ({error.strerror}); make room there") from error
