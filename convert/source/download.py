"""One address to one file over HTTP, going on where an earlier download ended.

The standard library alone: it streams and lets Range be asked for, and the light install gets no further dependency.
Ranges and validators: sections 13 and 14 of RFC 9110.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import asdict, astuple, dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit

from tqdm import tqdm

from convert.errors import FerryError, shown
from convert.files import open_regular, read_text
from convert.version import __version__

TRIES = 4  # requests for one file, each going on where the last one ended
CHUNK = 1 << 18  # bytes
HTML = ("text/html", "application/xhtml+xml")
NEXT_STEPS = {
    401: "the server wants a login: download it with a browser and give the file",
    403: "the server wants a login: download it with a browser and give the file",
    429: "try again later",
}


class FetchError(FerryError):
    """An address that gave no file, or another one than was asked for; or a cache that cannot be used."""


def find_objection(url: str) -> str:
    """Why an address is not fetched, or nothing if it is a good one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is no address ({error})"
    if parts.scheme not in ("http", "https"):
        return f"is an address of {parts.scheme or 'no scheme'}, and only http and https are fetched"
    return "" if host else "names no host"


def download(url: str, path: Path, *, timeout: float, pause: float) -> None:
    """Brings the file at a good http or https address to that path, beside which it keeps notes until `discard`.

    Args:
        url: the address.
        path: where it goes. What an earlier call left there is added to, if the server still has the same file.
        timeout: seconds to wait for the server's next bytes.
        pause: seconds before asking for the rest of a file whose connection was cut.

    Raises:
        FetchError: the file did not come; what came of it stays at the path.
        OSError: the path cannot be written.
    """
    transfer = _Transfer(url, _PartialFile(path), timeout)
    for turn in range(TRIES):
        time.sleep(pause if turn else 0)
        if not (trouble := transfer.attempt()):
            return
    kept = transfer.partial_file.describe_kept_bytes()
    raise FetchError(f"{shown(url, 200)}: not complete after {TRIES} tries, {trouble}{kept}")


def discard(path: Path) -> None:
    """Removes what `download` left at that path, and its notes."""
    path.unlink(missing_ok=True)
    _PartialFile(path).notes.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Version:
    validator: str = ""  # a strong ETag, else Last-Modified; without one nothing can be added to a part
    size: int | None = None  # bytes of the whole file

    @classmethod
    def read_from(cls, response: HTTPResponse) -> _Version:
        headers = response.headers
        tag = headers.get("ETag", "")
        whole = headers.get("Content-Range" if response.status == 206 else "Content-Length", "").rpartition("/")[2]
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
        return cls(validator, int(whole) if whole.isdecimal() else None)

    def agrees(self, other: _Version) -> bool:
        """Whether nothing that both say differs: a partial answer may leave out what the first one said."""
        return all(a == b for a, b in zip(astuple(self), astuple(other), strict=True) if a and b)


class _PartialFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes = path.with_name(f"{path.name}.json")

    def state(self) -> tuple[_Version, int]:
        """What is known of the file, and how many of its bytes are here and can be added to."""
        try:
            version = _Version(**json.loads(read_text(self.notes)))
            size = self.path.stat().st_size
        except (FileNotFoundError, ValueError, TypeError):  # the last two: notes that were cut short
            return _Version(), 0
        return (version, size) if version.validator else (_Version(), 0)

    def begin(self, version: _Version) -> None:
        with open_regular(self.path, "wb"):  # first: the new notes must never stand beside old bytes
            pass
        with open_regular(self.notes, "wb") as file:
            file.write(json.dumps(asdict(version)).encode())

    def describe_kept_bytes(self) -> str:
        """What an error says of the bytes that are here."""
        version, size = self.state()
        whole = "" if version.size is None else f" of {version.size:,}"
        return f"; {size:,}{whole} bytes are kept, and running it again asks for the rest" if size else ""


@dataclass(frozen=True)
class _Transfer:
    url: str
    partial_file: _PartialFile
    timeout: float

    def attempt(self) -> str:
        """Asks once for what is missing; returns what came in between, or nothing when all is here."""
        known, start = self.partial_file.state()
        if start and start == known.size:
            return ""
        try:
            response = self._open({"Range": f"bytes={start}-", "If-Range": known.validator} if start else {})
        except ConnectionError:
            return "the connection was cut"
        with response:
            version = _Version.read_from(response)
            resumed = response.status == 206 and start > 0 and _starts_at(start, response) and version.agrees(known)
            if response.status in (206, 416) and not resumed:
                self.partial_file.begin(_Version())  # the next try asks for the whole file
                return f"the server sent something else than the file from byte {start:,} on"
            size = version.size or known.size if resumed else version.size
            self._refuse_page(response, size)
            if not resumed:
                self.partial_file.begin(version)
            return self._append(response, size)

    def _open(self, headers: dict[str, str]) -> HTTPResponse:
        headers = {"User-Agent": f"paddleferry/{__version__}", **headers}
        try:
            # S310 warns of file: and ftp:, which `find_objection` refuses and this opener has no handlers for.
            call = request.Request(self.url, headers=headers)  # noqa: S310 - find_objection let http and https alone
            response: HTTPResponse = _opener().open(call, timeout=self.timeout)
        except (OSError, HTTPException, ValueError) as error:
            cause = error.reason if type(error) is URLError else error
            if isinstance(cause, ConnectionError) and not isinstance(cause, ConnectionRefusedError):
                raise cause from error
            if isinstance(error, HTTPError):
                error.close()
            kept = self.partial_file.describe_kept_bytes()
            raise FetchError(f"{shown(self.url, 200)}: {self._explained(cause)}{kept}") from error
        return response

    def _explained(self, cause: object) -> str:
        match cause:
            case HTTPError(code=code) if code < 400:
                return "redirects in a way that cannot be followed; give the address of the file itself"
            case HTTPError(code=code, reason=reason):
                step = NEXT_STEPS.get(code, "try again later" if code >= 500 else "check the address")
                return f"the server answered {code} {shown(reason)}; {step}"
            case TimeoutError():
                return f"no answer within {self.timeout:g} s; try again later"
            case socket.gaierror():
                return "the host is unknown; check the address and the connection to the network"
            case ConnectionRefusedError():
                return "the connection was refused; check the host and the port in the address"
            case ssl.SSLCertVerificationError(verify_message=reason):
                return f"the server's certificate is not trusted ({reason}); check the clock, or set SSL_CERT_FILE"
        return f"the connection failed ({shown(cause)}); check the address and the connection to the network"

    def _refuse_page(self, response: HTTPResponse, size: int | None) -> None:
        if response.headers.get_content_type() in HTML:
            raise FetchError(f"{shown(self.url, 200)}: is a web page, not a file; give the address of the file itself")
        if size is None and not response.chunked:  # a cut connection would look like the end of the file
            step = "download it with a browser and give the file"
            raise FetchError(f"{shown(self.url, 200)}: the server does not say how long the file is; {step}")

    def _append(self, response: HTTPResponse, size: int | None) -> str:
        received = self.partial_file.path.stat().st_size
        with (
            open_regular(self.partial_file.path, "ab") as file,
            tqdm(total=size, initial=received, unit="B", unit_scale=True, desc="download", disable=None) as bar,
        ):
            while size is None or received < size:
                try:
                    chunk = response.read1(CHUNK if size is None else min(CHUNK, size - received))
                except TimeoutError:
                    return f"the server sent nothing for {self.timeout:g} s"
                except (OSError, HTTPException):
                    return "the connection was cut"
                if not chunk:
                    break
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
        return "" if size in (None, received) else "the connection was cut"


def _starts_at(start: int, response: HTTPResponse) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


class _Redirects(request.HTTPRedirectHandler):
    def http_error_302(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> HTTPResponse | None:
        target = urljoin(req.full_url, headers.get("Location", ""))
        objection = find_objection(target)
        if req.type == "https" and urlsplit(target).scheme == "http":
            objection = "is http after https, where anybody on the way can change the file"
        if objection:
            fp.close()
            raise FetchError(
                f"{shown(req.full_url, 200)}: redirects to {shown(target, 200)}, which {objection}; "
                "it was not followed, give the address of the file itself"
            )
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def http_error_416(self, _: request.Request, fp: HTTPResponse, *__: object) -> HTTPResponse:
        """Hands the answer back as it is: a part that reaches beyond the file is no error of the user's."""
        return fp


def _opener() -> request.OpenerDirector:
    opener = request.OpenerDirector()  # `build_opener` would add file:, ftp: and data:
    opener.add_handler(request.ProxyHandler())
    opener.add_handler(request.HTTPHandler())
    opener.add_handler(request.HTTPSHandler())
    opener.add_handler(request.HTTPDefaultErrorHandler())
    opener.add_handler(request.HTTPErrorProcessor())
    opener.add_handler(_Redirects())
    return opener
