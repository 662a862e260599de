"""Addresses that give no file: each is one error that says which, why and what to do."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from server import CONTENT, KEPT, failure, get, interrupt, raising, serving

ELSE = "give the http or https address of the file itself"
LATER = "try again later"
LOGIN = "the server wants a login: download it with a browser and give the file"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "400": ({"status": 400}, "the server answered 400 Bad Request; check the address"),
    "401": ({"status": 401}, f"the server answered 401 Unauthorized; {LOGIN}"),
    "403": ({"status": 403}, f"the server answered 403 Forbidden; {LOGIN}"),
    "404": ({"status": 404}, "the server answered 404 Not Found; check the address"),
    "429": ({"status": 429}, f"the server answered 429 Too Many Requests; {LATER}"),
    "500": ({"status": 500}, f"the server answered 500 Internal Server Error; {LATER}"),
    "503": ({"status": 503}, f"the server answered 503 Service Unavailable; {LATER}"),
    "a web page": (
        {"content_type": "text/html; charset=utf-8"},
        "is a web page, not a file; give the address of the file itself",
    ),
    "no length": (
        {"length": "none"},
        "the server does not say how long the file is; download it with a browser and give the file",
    ),
    "a redirect to file:": (
        {"location": "file:///etc/passwd"},
        "redirects to file:///etc/passwd, which is an address of file, and only http and https are fetched; "
        "it was not followed, give the address of the file itself",
    ),
    "a redirect to ftp:": (
        {"location": "ftp://127.0.0.1/x.pth"},
        "redirects to ftp://127.0.0.1/x.pth, which is an address of ftp, and only http and https are fetched; "
        "it was not followed, give the address of the file itself",
    ),
    "a redirect to itself": (
        {"location": "x.pth"},
        "redirects in a way that cannot be followed; give the address of the file itself",
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_without_the_file_is_one_error(kind: str, tmp_path: Path) -> None:
    behaviour, message = ANSWERS[kind]
    with serving(**behaviour) as server:
        assert failure(f"{server.url}/x.pth", tmp_path) == f"{server.url}/x.pth: {message}"

    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_an_error_in_the_middle_says_what_is_there(tmp_path: Path) -> None:
    with serving() as server:
        interrupt(server, tmp_path, byte_count=50_000)
        server.status = 503

        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{server.url}/x.pth: the server answered 503 Service Unavailable; {LATER}; 50,000 of 200,000 {KEPT}"
        )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", f"is an address of file, and only http and https are fetched; {ELSE}"),
        ("ftp://127.0.0.1/x.pth", f"is an address of ftp, and only http and https are fetched; {ELSE}"),
        ("x.pth", f"is an address of no scheme, and only http and https are fetched; {ELSE}"),
        ("https:///x.pth", f"names no host; {ELSE}"),
        ("http://127.0.0.1:99999/x", f"is no address: its host or its port cannot be read; {ELSE}"),
        ("http://[::1/x", f"is no address: its host or its port cannot be read; {ELSE}"),
    ],
)
def test_what_is_no_http_address_is_refused(url: str, message: str, tmp_path: Path) -> None:
    assert failure(url, tmp_path / "cache") == f"{url}: {message}"

    assert list(tmp_path.iterdir()) == []


def test_a_refused_connection_is_one_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x.pth"

    assert failure(url, tmp_path) == f"{url}: the connection was refused; check the host and the port in the address"


def test_a_server_that_does_not_answer_is_one_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.pth"

        assert failure(url, tmp_path, timeout=0.15) == f"{url}: no answer within 0.15 s; {LATER}"


def test_an_unknown_host_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", raising(socket.gaierror(-2, "Name or service not known")))

    assert failure("http://nowhere.invalid/x.pth", tmp_path) == (
        "http://nowhere.invalid/x.pth: the host is unknown; check the address and the connection to the network"
    )


def test_a_connection_cut_before_the_answer_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server, monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", raising(ConnectionResetError(104, "reset")))

        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{server.url}/x.pth: not complete after 4 tries, the connection was cut"
        )


def test_https_needs_a_trusted_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tls=tmp_path / "server.pem") as server:
        assert failure(f"{server.url}/x.pth", tmp_path / "cache") == (
            f"{server.url}/x.pth: the server's certificate is not trusted (self-signed certificate); "
            "check the clock, or set SSL_CERT_FILE"
        )

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))

        assert get(server, tmp_path).path.read_bytes() == CONTENT


def test_a_redirect_from_https_to_http_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    with serving() as plain, serving(tls=tmp_path / "server.pem", location=f"{plain.url}/x.pth") as server:
        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{server.url}/x.pth: redirects to {plain.url}/x.pth, which is http after https, where anybody on the way "
            "can change the file; it was not followed, give the address of the file itself"
        )
        assert plain.seen == []
