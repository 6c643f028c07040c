"""Bearer keys: `name:sha256-of-the-key` a line in the operator's file; the key itself is shown once and kept nowhere.

Keys are 256 random bits, so one SHA-256 is as good as a slow hash: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
from pathlib import Path

from mrg_llm.errors import ResourceError, SettingsError

PREFIX = "mrg_"
LINE = re.compile(r"([A-Za-z0-9._-]{1,64}):([0-9a-f]{64})")


class Keys:
    """The keys of a file. Raises SettingsError for a file that is none, without quoting it."""

    def __init__(self, lines: dict[str, bytes]):
        self.hashes = lines

    @classmethod
    def read(cls, path: Path) -> Keys:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"--keys {path} cannot be read ({type(error).__name__}); make it with 'mrg serve --new-key NAME "
                f"--keys {path}'"
            ) from None
        found: dict[str, bytes] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            match = LINE.fullmatch(line.strip())
            if not match or match[1] in found:
                raise SettingsError(f"line {number} of {path} is not 'name:hash' with a name of its own; make keys "
                                    "with 'mrg serve --new-key NAME --keys FILE'")  # fmt: skip
            found[match[1]] = bytes.fromhex(match[2])
        if not found:
            raise SettingsError(f"{path} holds no key; add one with 'mrg serve --new-key NAME --keys {path}'")
        return cls(found)

    def owner(self, header: str | None) -> str | None:
        """The name of the key in an Authorization header, None for none of ours. Takes as long whichever it is."""
        scheme, _, key = (header or "").partition(" ")
        given = hashlib.sha256(key.strip().encode("utf-8", "replace")).digest()
        owner = None
        for name, expected in self.hashes.items():
            if hmac.compare_digest(given, expected):
                owner = name
        return owner if scheme.lower() == "bearer" else None


def make_key(name: str, path: Path) -> str:
    """Add a key to the file, which only its owner may read; returns the key. Raises SettingsError, ResourceError."""
    if not LINE.fullmatch(f"{name}:{'0' * 64}"):
        raise SettingsError("a key's name has 1 to 64 letters, digits, dots, dashes and underscores; it stands in the "
                            "audit file")  # fmt: skip
    if path.exists() and path.stat().st_size and name in Keys.read(path).hashes:
        raise SettingsError(f"{path} has a key of the name {name} already; take another, or delete its line first")
    key = PREFIX + secrets.token_urlsafe(32)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}\n")
    except OSError as error:
        raise ResourceError(f"{path} cannot be written ({type(error).__name__}); give --keys a file of yours") from None
    return key


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open(host: str, keys: Keys | None) -> None:
    """Raises SettingsError for a service that anybody in the network could use."""
    if keys is None and not is_loopback(host):
        raise SettingsError(f"--host {host} is open to the network and no keys were given; make one with 'mrg serve "
                            "--new-key NAME --keys FILE' and give --keys FILE")  # fmt: skip
