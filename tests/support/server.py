"""A file server on loopback that can be told to misbehave."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from convert.source.cache import Fetched, FetchError, Limits, fetch

# A key of these tests alone, for 127.0.0.1 until 2120: openssl ca -selfsign, basicConstraints CA, prime256v1.
_CERTIFICATE = (
    "MIIBajCCARCgAwIBAgIBATAKBggqhkjOPQQDAjATMREwDwYDVQQDDAhsb29wYmFjazAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMF"
    "owEzERMA8GA1UEAwwIbG9vcGJhY2swWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASO9xmLVgL0eemvUlwQ401gTyqGOpsDWIrIcx3le48uotOG"
    "MydG4ZijzMu/LB73XIGTZcGiHsXMv4xGMn7iNI4zo1MwUTAPBgNVHREECDAGhwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAg"
    "KEMB0GA1UdDgQWBBTGaWWT7m/18sN2fPKWrO8u/BCUpjAKBggqhkjOPQQDAgNIADBFAiABybIIPFe7FQ7Ki/ntegT4uU87eRtmiNDW/nZFyUT5"
    "tQIhAOhKoXAhpn24hX7xkIum9srMeEcHcK7Owc2prQRdwiEu"
)
_KEY = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzq1G5oYguJFGb+D33o4kR47OulPwHh9CNK4RVe7QROChRANCAASO9xmLVgL0ee"
    "mvUlwQ401gTyqGOpsDWIrIcx3le48uotOGMydG4ZijzMu/LB73XIGTZcGiHsXMv4xGMn7iNI4z"
)

# 200,000 bytes, no two places alike; they begin as a file of torch.save does.
CONTENT = b"PK\x03\x04" + b"".join(i.to_bytes(4, "big") for i in range(1, 50_000))
KEPT = "bytes are kept, and running it again asks for the rest"  # of the errors


@dataclass
class Server:
    """What the server does; a test changes it between two requests.

    Attributes:
        content: of every file there is.
        etag: sent with it; empty for none.
        modified: the Last-Modified that is sent; empty for none.
        ranges: whether a Range is answered with a part.
        if_range: whether If-Range is obeyed; a server that ignores it sends a part of whatever it has.
        cuts: for each of the next answers, after how many bytes of it the connection is cut.
        stalls: the same, but the server then keeps the connection and sends no more.
        length: the Content-Length of a whole file, where it is not the true one; "none" sends none.
        chunked: sends the file in chunks, without its length.
        status: sent instead of the file when it is not 200.
        content_type: of the file.
        location: where every path but /moved redirects to, if anywhere.
        hold: waited for in the middle of an answer.
        asked: set by the first request.
        starts: the first byte that a partial answer says it has, where it is not the one asked for.
        content_range: of a partial answer, where it is not the true one; "" sends none.
        seen: the headers of every request, by name in lower case.
    """

    url: str = ""
    content: bytes = CONTENT
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)
    length: str = ""
    chunked: bool = False
    status: int = 200
    content_type: str = "application/octet-stream"
    location: str = ""
    hold: threading.Event | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    starts: int | None = None
    content_range: str | None = None
    seen: list[dict[str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def serving(*, tls: Path | None = None, **behaviour: Any) -> Iterator[Server]:
    """A running server; with `tls`, a path that its certificate is written to, it speaks https."""
    server = Server(**behaviour)
    handler = type("Handler", (_Handler,), {"server_": server})
    with _Quiet(("127.0.0.1", 0), handler) as listening:
        if tls is not None:
            listening.socket = _context(tls).wrap_socket(listening.socket, server_side=True)
        server.url = f"http{'s' * (tls is not None)}://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            listening.shutdown()
            thread.join()


def _context(certificate: Path) -> ssl.SSLContext:
    sections = [("CERTIFICATE", _CERTIFICATE), ("PRIVATE KEY", _KEY)]
    text = [f"-----BEGIN {name}-----\n{textwrap.fill(value, 64)}\n-----END {name}-----\n" for name, value in sections]
    certificate.write_text("".join(text))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    certificate.write_text(text[0])
    return context


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server_: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keeps stderr for what the tests look at."""

    def do_GET(self) -> None:
        server = self.server_
        server.seen.append({name.lower(): value for name, value in self.headers.items()})
        server.asked.set()
        self.close_connection = True
        if server.location and self.path != "/moved":
            self._head(302, {"Location": server.location, "Content-Length": "0"})
        elif server.status != 200:
            self._head(server.status, {"Content-Length": "0"})
        else:
            self._send_file()

    def _send_file(self) -> None:
        server = self.server_
        start, total = self._start(), len(server.content)
        if start is not None and start >= total:
            self._head(416, {"Content-Range": f"bytes */{total}", "Content-Length": "0"})
            return
        headers = {"Content-Type": server.content_type, "ETag": server.etag, "Last-Modified": server.modified}
        if start is not None:
            first = start if server.starts is None else server.starts
            true = f"bytes {first}-{total - 1}/{total}"
            headers |= {
                "Content-Range": true if server.content_range is None else server.content_range,
                "Content-Length": str(total - start),
            }
        elif server.chunked:
            headers |= {"Transfer-Encoding": "chunked"}
        else:
            headers |= {"Content-Length": server.length.replace("none", "") if server.length else str(total)}
        self._head(200 if start is None else 206, headers)
        self._body(server.content[start or 0 :], chunked=server.chunked and start is None)

    def _start(self) -> int | None:
        wanted_range, server = self.headers.get("Range"), self.server_
        unchanged = self.headers.get("If-Range") in (server.etag, server.modified)
        if not wanted_range or not server.ranges or (server.if_range and not unchanged):
            return None
        return int(wanted_range.removeprefix("bytes=").removesuffix("-"))

    def _body(self, content: bytes, *, chunked: bool) -> None:
        server = self.server_
        cut = server.cuts.pop(0) if server.cuts else None
        stall = server.stalls.pop(0) if server.stalls else None
        content = content[: cut if stall is None else stall]
        for position in range(0, len(content), 1 << 14) if chunked else ():
            piece = content[position : position + (1 << 14)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if server.hold is not None:
            self.wfile.write(content[: len(content) // 2])
            server.hold.wait(20)
            content = content[len(content) // 2 :]
        if not chunked:
            self.wfile.write(content)
        elif cut is None:
            self.wfile.write(b"0\r\n\r\n")
        if stall is not None:
            server.closing.wait(5)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()


def get(server: Server, cache: Path, *, path: str = "/x.pth", sha256: str = "") -> Fetched:
    """The server's x.pth."""
    return fetch(server.url + path, cache=cache, sha256=sha256, limits=within())


def failure(url: str, cache: Path, **limits: Any) -> str:
    """The error that fetching the address within those `Limits` ends in."""
    with pytest.raises(FetchError) as caught:
        fetch(url, cache=cache, limits=within(**limits))
    return str(caught.value)


def within(*, timeout: float = 10.0, pause: float = 0.01, **limits: Any) -> Limits:
    """Limits for a server that is near."""
    return Limits(timeout=timeout, pause=pause, **limits)


def ranges(server: Server) -> list[str]:
    """The Range of every request, empty where there was none."""
    return [headers.get("range", "") for headers in server.seen]


def interrupt(server: Server, cache: Path, *, byte_count: int) -> None:
    """A download that Ctrl-C ends after `byte_count` bytes."""
    real, remaining = http.client.HTTPResponse.read1, [byte_count]

    def read1(self: http.client.HTTPResponse, n: int = -1) -> bytes:
        if not remaining[0]:
            raise KeyboardInterrupt
        chunk = real(self, min(n, remaining[0]))
        remaining[0] -= len(chunk)
        return chunk

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http.client.HTTPResponse, "read1", read1)
        with pytest.raises(KeyboardInterrupt):
            get(server, cache)


def raising(error: BaseException) -> Callable[..., None]:
    """A function that takes anything and raises the error."""

    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it
