"""One address to one file over HTTP, going on where an earlier download ended.

The standard library alone: it streams and lets Range be asked for, and the light install gets no further dependency.
Ranges and validators: sections 13 and 14 of RFC 9110.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError

from tqdm import tqdm

from convert.errors import shown
from convert.source.addresses import FetchError, name_address
from convert.source.connections import LEAST_RATE, Pace, TooSlow, open_address
from convert.source.partial_file import BEYOND, HEAD, PartialFile, Version
from convert.version import __version__

__all__ = ["FetchError", "Limits", "download"]

TRIES = 4  # requests for one file, each going on where the last one ended
CHUNK = 1 << 18  # bytes

# Bytes of one file. The largest published ConvNeXt has 3.4 GB; a training checkpoint of the second, with its optimiser
# and its averaged weights, 5.6.
MAX_SIZE = 8 << 30

HTML = ("text/html", "application/xhtml+xml")
NEXT_STEPS = {
    401: "the server wants a login: download it with a browser and give the file",
    403: "the server wants a login: download it with a browser and give the file",
    429: "try again later",
}


@dataclass(frozen=True)
class Limits:
    """What a download may take.

    Attributes:
        size: bytes of the whole file.
        timeout: seconds to wait for the server's next bytes.
        window: seconds in which `LEAST_RATE` is to be reached.
        pause: seconds before asking for the rest of a file whose connection was cut.
    """

    size: int = MAX_SIZE
    timeout: float = 30.0
    window: float = 60.0
    pause: float = 1.0


LIMITS = Limits()


def download(url: str, path: Path, *, limits: Limits = LIMITS, find_flaw: Callable[[bytes], str]) -> None:
    """Brings the file at a good http or https address to that path, beside which it keeps notes.

    Args:
        url: the address.
        path: where it goes. What an earlier call left there is added to, if the server still has the same file.
        limits: what it may take.
        find_flaw: says of a file's first `HEAD` bytes why the rest is not worth waiting for, or nothing.

    Raises:
        FetchError: the file did not come; what came of it stays at the path, unless the text says otherwise.
        OSError: the path cannot be written.
    """
    transfer = _Transfer(url, PartialFile(path), limits, find_flaw)
    for turn in range(TRIES):
        time.sleep(limits.pause if turn else 0)
        if not (trouble := transfer.attempt()):
            return
    raise transfer.error(f"not complete after {TRIES} tries, {trouble}")


@dataclass(frozen=True)
class _Transfer:
    url: str
    partial_file: PartialFile
    limits: Limits
    find_flaw: Callable[[bytes], str]

    def attempt(self) -> str:
        """Asks once for what is missing; returns what came in between, or nothing when all is here."""
        known, start = self.partial_file.state()
        if start and start == known.size:
            return ""
        pace = Pace(self.limits.window)
        try:
            response = self._open({"Range": f"bytes={start}-", "If-Range": known.validator} if start else {}, pace)
        except ConnectionError:
            return "the connection was cut"
        with response:
            version = Version.read_from(response)
            resumed = response.status == 206 and start > 0 and _starts_at(start, response) and version.agrees(known)
            if response.status in (206, 416) and not resumed:
                self.partial_file.begin(Version())  # the next try asks for the whole file
                return f"the server sent something else than the file from byte {start:,} on"
            size = version.size or known.size if resumed else version.size
            self._refuse_page(response, size)
            self._refuse_size(size)
            if not resumed:
                self.partial_file.begin(version)
            try:
                return self._append(response, size, pace)
            except TooSlow as error:
                raise self.error(self._explained(error)) from error

    def error(self, text: str) -> FetchError:
        """An error that also says what of the file is here."""
        return FetchError(f"{name_address(self.url)}: {text}{self.partial_file.describe_kept_bytes()}")

    def _open(self, headers: dict[str, str], pace: Pace) -> HTTPResponse:
        headers = {"User-Agent": f"paddleferry/{__version__}", **headers}
        try:
            return open_address(self.url, headers, timeout=self.limits.timeout, pace=pace)
        except (OSError, HTTPException, ValueError) as error:
            cause = error.reason if type(error) is URLError else error
            if isinstance(cause, ConnectionError) and not isinstance(cause, ConnectionRefusedError):
                raise cause from error
            if isinstance(error, HTTPError):
                error.close()
            raise self.error(self._explained(cause)) from error

    def _explained(self, cause: object) -> str:
        match cause:
            case HTTPError(code=code) if code < 400:
                return "redirects in a way that cannot be followed; give the address of the file itself"
            case HTTPError(code=code, reason=reason):
                step = NEXT_STEPS.get(code, "try again later" if code >= 500 else "check the address")
                return f"the server answered {code} {shown(reason)}; {step}"
            case TooSlow():
                return f"the server sends fewer than {LEAST_RATE:,} bytes of the file a second; try again later"
            case TimeoutError():
                return f"no answer within {self.limits.timeout:g} s; try again later"
            case socket.gaierror():
                return "the host is unknown; check the address and the connection to the network"
            case ConnectionRefusedError():
                return "the connection was refused; check the host and the port in the address"
            case ssl.SSLCertVerificationError(verify_message=reason):
                return f"the server's certificate is not trusted ({reason}); check the clock, or set SSL_CERT_FILE"
            case OSError():
                return f"the connection failed ({shown(cause)}); check the address and the connection to the network"
        # The texts of these repeat what was sent or received.
        return f"the server cannot be talked to ({type(cause).__name__}); check the address"

    def _refuse_page(self, response: HTTPResponse, size: int | None) -> None:
        if response.headers.get_content_type() in HTML:
            raise self._refusal("is a web page, not a file; give the address of the file itself")
        if size is None and not response.chunked:  # a cut connection would look like the end of the file
            step = "download it with a browser and give the file"
            raise self._refusal(f"the server does not say how long the file is; {step}")

    def _refuse_size(self, size: int | None) -> None:
        if size is not None and size > self.limits.size:
            count = "a length of more digits than any file has" if size >= BEYOND else f"{size:,} bytes"
            raise self._refusal(f"has {count}, where {self.limits.size:,} are the limit; check the address")

    def _refusal(self, text: str) -> FetchError:
        return FetchError(f"{name_address(self.url)}: {text}")

    def _append(self, response: HTTPResponse, size: int | None, pace: Pace) -> str:
        received = self.partial_file.size()
        most = self._most(size, received)
        looked = False
        with (
            self.partial_file.open() as file,
            tqdm(total=size, initial=received, unit="B", unit_scale=True, desc="download", disable=None) as bar,
        ):
            while size is None or received < size:
                try:
                    chunk = response.read1(CHUNK if size is None else min(CHUNK, size - received))
                except TooSlow:
                    raise
                except TimeoutError:
                    return f"the server sent nothing for {self.limits.timeout:g} s"
                except (OSError, HTTPException):
                    return "the connection was cut"
                if not chunk:
                    break
                received += len(chunk)
                if received > most:
                    self.partial_file.discard()
                    raise self._refusal(f"sends more than {most:,} bytes, the limit here; nothing of it is kept")
                file.write(chunk)
                bar.update(len(chunk))
                pace.add(len(chunk))
                if not looked and received >= HEAD:
                    looked = True
                    file.flush()
                    self._refuse_flaw()
        return "" if size in (None, received) else "the connection was cut"

    def _most(self, size: int | None, received: int) -> int:
        """How long the file may become."""
        room = self.partial_file.room()
        if size is not None and size - received > room:
            step = "make room, or set PADDLEFERRY_CACHE to a folder that has it"
            raise self.error(f"needs {size - received:,} bytes, and the cache's disk has room for {room:,}; {step}")
        return min(self.limits.size, received + room) if size is None else size

    def _refuse_flaw(self) -> None:
        if flaw := self.find_flaw(self.partial_file.head()):
            self.partial_file.discard()
            raise self._refusal(f"{flaw}; nothing of it is kept")


def _starts_at(start: int, response: HTTPResponse) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
