"""What a DICOM node can be told -> `NodeOptions`, checked before anything is started or a model is loaded."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mrg_llm.errors import SettingsError
from mrg_llm.images.limits import MAX_BYTES
from mrg_llm.serving.auth import is_loopback

CREDENTIALS = "MRG_STOW_CREDENTIALS"  # of the environment: "bearer TOKEN" or "basic USER:PASSWORD"
TITLE = re.compile(r"(?=.*[^ ])[ -\[\]-~]{1,16}")  # AE of PS3.5: 16 printable characters without backslash


@dataclass(frozen=True)
class Peer:
    """An application entity that takes C-STORE."""

    title: str
    host: str
    port: int


@dataclass(frozen=True)
class NodeOptions:
    """port: 0 takes a free one. store: the node's own folder. title: its AE title, which callers must name. allow: AE
    titles that may call; empty for all, on loopback alone. wait_s: without a new film, until a study counts as
    complete. keep_minutes: from an SR's sending (or a failure) to the deletion of the films. disk_bytes: of all films
    held. At most one of send and stow says where SRs go; with neither they wait in the worklist.

    Raises SettingsError for what cannot be meant.
    """

    port: int
    store: Path
    host: str = "127.0.0.1"
    title: str = "MRG_LLM"
    allow: tuple[str, ...] = ()
    wait_s: float = 30.0
    keep_minutes: float = 60.0
    disk_bytes: int = 20 * 2**30
    send: Peer | None = None
    stow: str | None = None
    credentials: str | None = field(default=None, repr=False)  # an Authorization header
    film_bytes: int = MAX_BYTES
    associations: int = 8  # at a time
    timeout_s: float = 60.0  # of the network, for a sign of life
    attempts: int = 8  # to draft, where it is not the films' fault
    retry_s: float = 5.0  # the first pause; each next one is twice as long ...
    longest_retry_s: float = 900.0  # ... up to this
    give_up_s: float = 3 * 86_400.0  # an archive that was out of reach so long

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65_536:
            raise SettingsError(f"--dicom-port is {self.port}; give a number from 0 (any free port) to 65535")
        for title in (self.title, *self.allow):
            check_title(title)
        if not is_loopback(self.host) and not self.allow:
            raise SettingsError(
                f"--dicom-host {self.host} is open to the network; say who may send with --dicom-allow AE_TITLE, and "
                "let a firewall see to it that nobody else can connect"
            )
        for name, value in (("--dicom-wait", self.wait_s), ("--dicom-keep", self.keep_minutes)):
            if not 0 <= value < float("inf"):
                raise SettingsError(f"{name} is {value}; give a number that is not negative")
        if self.disk_bytes < 1:
            raise SettingsError("--dicom-disk leaves no room for a film; give gigabytes, for example 20")
        if self.send and self.stow:
            raise SettingsError("--dicom-send and --stow both say where reports go; give one of them")
        if self.stow:
            check_stow(self.stow, self.credentials)
        elif self.credentials:
            raise SettingsError("credentials are for --stow, which is not given; leave them out")


def parse_peer(text: str) -> Peer:
    """AE@HOST:PORT. Raises SettingsError."""
    found = re.fullmatch(r"([^@]+)@(\[[0-9A-Fa-f:.]+\]|[^@:\s/]+):(\d{1,5})", text)
    if not found or not 0 < int(found[3]) < 65_536:
        raise SettingsError(f"--dicom-send {text} is not AE@HOST:PORT, for example ARCHIVE@127.0.0.1:4242")
    check_title(found[1])
    return Peer(found[1], found[2].strip("[]"), int(found[3]))


def read_credentials(file: Path | None = None) -> str | None:
    """The Authorization header for STOW-RS, from a file's one line or the environment; None where neither says one.

    Raises SettingsError, which never holds a word of it.
    """
    try:
        said = file.read_text(encoding="utf-8") if file else os.environ.get(CREDENTIALS, "")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read ({type(error).__name__}); check --stow-credentials") from None
    kind, _, secret = said.strip().partition(" ")
    if not said.strip() and not file:
        return None
    if kind.lower() == "bearer" and re.fullmatch(r"[!-~]+", secret):
        return f"Bearer {secret}"
    if kind.lower() == "basic" and re.fullmatch(r"[^:\x00-\x1f\x7f]+:[^\x00-\x1f\x7f]*", secret):
        from base64 import b64encode

        return f"Basic {b64encode(secret.encode()).decode()}"
    raise SettingsError(f"{file or CREDENTIALS} holds no credentials; write 'bearer TOKEN' or 'basic USER:PASSWORD'")


def check_title(title: str) -> None:
    if not TITLE.fullmatch(title) or title != title.strip():
        raise SettingsError(f"{title!r} is not an AE title; give 1 to 16 letters, digits or signs, no backslash")


def check_stow(url: str, credentials: str | None) -> None:
    """Raises SettingsError, without the URL where it may hold a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or parts.scheme not in ("http", "https") or re.search(r"[^!-~]", url):
        raise SettingsError("--stow is not an http or https URL, such as http://127.0.0.1:8042/dicom-web")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(
            f"--stow holds a user, a query or a fragment; give the bare URL, and credentials in {CREDENTIALS} or "
            "--stow-credentials FILE"
        )
    if credentials and parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(f"credentials would cross the network readable to all; give --stow an https URL for {host}")
