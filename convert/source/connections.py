"""Connections to a server that may send anything at any pace: what is too slow is ended, redirects are checked."""

from __future__ import annotations

import io
import string
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib import request
from urllib.parse import quote, urljoin, urlsplit

from convert.source.addresses import FetchError, find_objection, name_address

LEAST_RATE = 1000  # bytes a second; a modem of 1990 had more


class TooSlow(TimeoutError):
    """A server that sends, and too little of it."""


class Pace:
    """How much of a file came in the last seconds. Everything else that a server sends does not count.

    Args:
        window: seconds in which `LEAST_RATE` is to be reached.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self._begin()

    def add(self, count: int) -> None:
        """Notes bytes of the file."""
        self._count += count

    def check(self) -> None:
        """Raises TooSlow if a window has passed in which too little came."""
        seconds = time.monotonic() - self._start
        if seconds < self.window:
            return
        if self._count < LEAST_RATE * seconds:
            raise TooSlow
        self._begin()

    def _begin(self) -> None:
        self._start, self._count = time.monotonic(), 0


def open_address(url: str, headers: dict[str, str], *, timeout: float, pace: Pace) -> HTTPResponse:
    """The answer to a request for a good address, its body unread.

    Raises:
        FetchError: it redirects to where nothing is fetched from.
        TooSlow: also later, while the answer is read.
        OSError, HTTPException, ValueError: as urllib raises them.
    """
    # S310 warns of file: and ftp:, which `find_objection` refuses and this opener has no handlers for.
    call = request.Request(url, headers=headers)  # noqa: S310 - find_objection let http and https alone
    response: HTTPResponse = _opener(pace).open(call, timeout=timeout)
    return response


class _PacedSocket(io.RawIOBase):
    """Looks at the pace before every read: a header, too, can come byte by byte for days."""

    def __init__(self, raw: io.RawIOBase, pace: Pace) -> None:
        self._raw, self._pace = raw, pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._pace.check()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedResponse(HTTPResponse):
    def __init__(self, pace: Pace, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(_PacedSocket(self.fp.detach(), pace))


class _Paced(request.AbstractHTTPHandler):
    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def do_open(self, http_class: Callable[..., HTTPConnection], *args: Any, **kwargs: Any) -> HTTPResponse:
        def connect(*args: Any, **kwargs: Any) -> HTTPConnection:
            connection = http_class(*args, **kwargs)
            connection.response_class = partial(_PacedResponse, self._pace)  # type: ignore[assignment]
            return connection

        response: HTTPResponse = super().do_open(connect, *args, **kwargs)
        return response


class _PacedHttp(_Paced, request.HTTPHandler): ...


class _PacedHttps(_Paced, request.HTTPSHandler): ...


class _Redirects(request.HTTPRedirectHandler):
    def http_error_302(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> HTTPResponse | None:
        location = quote(headers.get("Location", ""), safe=string.punctuation, encoding="iso-8859-1")  # as urllib does
        target = urljoin(req.full_url, location)
        objection = find_objection(target)
        if req.type == "https" and urlsplit(target).scheme == "http":
            objection = "is http after https, where anybody on the way can change the file"
        fp.close()  # or urllib would read its body, however long that is
        if objection:
            raise FetchError(
                f"{name_address(req.full_url)}: redirects to {name_address(target)}, which {objection}; "
                "it was not followed, give the address of the file itself"
            )
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def http_error_416(self, _: request.Request, fp: HTTPResponse, *__: object) -> HTTPResponse:
        """Hands the answer back as it is: a part that reaches beyond the file is no error of the user's."""
        return fp


def _opener(pace: Pace) -> request.OpenerDirector:
    opener = request.OpenerDirector()  # `build_opener` would add file:, ftp: and data:
    opener.add_handler(request.ProxyHandler())
    opener.add_handler(_PacedHttp(pace))
    opener.add_handler(_PacedHttps(pace))
    opener.add_handler(request.HTTPDefaultErrorHandler())
    opener.add_handler(request.HTTPErrorProcessor())
    opener.add_handler(_Redirects())
    return opener
