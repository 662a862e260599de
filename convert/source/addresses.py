"""Addresses: which are fetched, and how one is named without what may be secret in it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from convert.errors import FerryError, shown

SHOWN = 200  # characters of an address in a message
FOREIGN = re.compile(r"[^!-~]")  # what an address has as %XX: blanks, control characters, all beyond ASCII
NAME_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.\w+$")  # torch.hub's convention: name-<start of the sha256>.pth


class FetchError(FerryError):
    """An address that gave no file, or another one than was asked for; or a cache that cannot be used."""


def find_objection(url: str) -> str:
    """Why an address is not fetched, or nothing if it is a good one. The text repeats no part that may be secret."""
    if FOREIGN.search(url):
        return "has a blank, or a character beyond ASCII, which an address has as %XX"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # whose text may repeat a password
        return "is no address: its host or its port cannot be read"
    if parts.scheme not in ("http", "https"):
        return f"is an address of {parts.scheme or 'no scheme'}, and only http and https are fetched"
    if "@" in parts.netloc:
        return "names a user, and no login is sent: download the file with a browser"
    return "" if host else "names no host"


def digest_in_name(url: str) -> str:
    """The start of the SHA-256 that an address's file name ends in; empty where it ends in none."""
    in_name = NAME_DIGEST.search(urlsplit(url).path)
    return in_name[1] if in_name else ""


def name_address(url: str) -> str:
    """An address as messages have it: of a login, a query and a fragment, each of which may be a secret, no word."""
    bare, *secret = re.split(r"(?=[?#])", url, maxsplit=1)
    scheme, slashes, rest = bare.partition("://")
    if "@" in url and not _is_readable(url):  # what stands before the @ may reach anywhere
        return shown(f"{scheme}://...", SHOWN)
    authority, slash, path = rest.partition("/")
    rest = f"{secret[0][0]}..." if secret else ""
    return shown(f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}", SHOWN) + rest


def _is_readable(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        return False
