"""The DICOM options of mrg serve: types for its signature, and `node_options`, which makes NodeOptions of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrg_llm.errors import SettingsError

if TYPE_CHECKING:
    from mrg_llm.serving.node import NodeOptions

Port = Annotated[int | None, typer.Option("--dicom-port", help="take films by DICOM C-STORE at this port (0: any)")]
Host = Annotated[
    str, typer.Option("--dicom-host", help="the address to listen at; beyond this machine, see --dicom-allow")
]
Title = Annotated[str, typer.Option("--dicom-title", help="our AE title, which senders must name")]
Allow = Annotated[
    list[str] | None,
    typer.Option("--dicom-allow", metavar="AE", help="an AE title that may send; several can be given"),
]
Folder = Annotated[
    Path | None,
    typer.Option("--dicom-store", metavar="DIR", help="a folder for films and the queue, of its own and private"),
]
Wait = Annotated[float, typer.Option("--dicom-wait", help="seconds without a new film until a study is complete")]
Keep = Annotated[
    float, typer.Option("--dicom-keep", help="minutes from a report's sending to the deletion of its films")
]
Disk = Annotated[float, typer.Option("--dicom-disk", help="gigabytes that films may take; beyond, none is taken")]
Send = Annotated[
    str | None,
    typer.Option("--dicom-send", metavar="AE@HOST:PORT", help="send reports there by C-STORE, as Basic Text SR"),
]
Stow = Annotated[
    str | None, typer.Option("--stow", metavar="URL", help="send reports there by DICOMweb STOW-RS, as Basic Text SR")
]
Credentials = Annotated[
    Path | None,
    typer.Option(
        "--stow-credentials",
        metavar="FILE",
        help="a file with 'bearer TOKEN' or 'basic USER:PASSWORD', else of MRG_STOW_CREDENTIALS",
    ),
]


def node_options(
    port: int | None, *, host: str, title: str, allow: list[str] | None, store: Path | None, wait: float, keep: float,
    disk: float, send: str | None, stow: str | None, credentials: Path | None,
) -> NodeOptions | None:  # fmt: skip
    """None without a port. Raises SettingsError for what cannot be meant."""
    if port is None:
        if store or send or stow or credentials or allow:
            raise SettingsError("the --dicom and --stow options need --dicom-port, for example 11112; give it too")
        return None
    if store is None:
        raise SettingsError("--dicom-port needs --dicom-store DIR, a private folder for the films that come in")
    from mrg_llm.serving.node import NodeOptions, parse_peer, read_credentials

    return NodeOptions(
        port, store, host=host, title=title, allow=tuple(allow or ()), wait_s=wait, keep_minutes=keep,
        disk_bytes=int(max(disk, 0) * 2**30), send=parse_peer(send) if send else None, stow=stow,
        credentials=read_credentials(credentials) if stow or credentials else None,
    )  # fmt: skip
