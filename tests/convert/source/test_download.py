"""Downloads from a server on loopback that cuts, stalls and changes what it has."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from server import CONTENT, KEPT, failure, get, interrupt, raising, ranges, serving


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize("behaviour", [{}, {"chunked": True}, {"etag": ""}, {"location": "/moved"}])
def test_a_file_arrives_byte_for_byte(behaviour: dict[str, Any], tmp_path: Path) -> None:
    with serving(**behaviour) as server:
        fetched = get(server, tmp_path)

        assert fetched.path.read_bytes() == server.content
        assert fetched.size == len(server.content)


@pytest.mark.parametrize(
    ("behaviour", "validator"),
    [
        ({}, '"one"'),
        ({"chunked": True}, '"one"'),
        ({"etag": 'W/"one"', "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "Mon, 01 Jan 2024 00:00:00 GMT"),
    ],
)
def test_a_cut_download_goes_on_where_it_ended(behaviour: dict[str, Any], validator: str, tmp_path: Path) -> None:
    with serving(cuts=[70_001, 30_000], **behaviour) as server:
        fetched = get(server, tmp_path)

        assert ranges(server) == ["", "bytes=70001-", "bytes=100001-"]
        assert [headers.get("if-range") for headers in server.seen] == [None, validator, validator]
        assert fetched.path.read_bytes() == CONTENT


def test_after_four_cuts_it_fails_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with serving(cuts=[10_000] * 4) as server:
        message = failure(f"{server.url}/x.pth", tmp_path)

        assert message == (
            f"{server.url}/x.pth: not complete after 4 tries, the connection was cut; 40,000 of 200,000 {KEPT}"
        )
        assert get(server, tmp_path).path.read_bytes() == CONTENT
        assert ranges(server)[4:] == ["bytes=40000-"]


def test_a_download_whose_redirect_was_followed_goes_on_too(tmp_path: Path) -> None:
    with serving(cuts=[500], location="/moved") as server:
        fetched = get(server, tmp_path)

        assert ranges(server) == ["", "", "bytes=500-", "bytes=500-"]
        assert fetched.path.read_bytes() == CONTENT


def test_a_stalled_download_goes_on_and_fails_in_the_end(tmp_path: Path) -> None:
    with serving(stalls=[1_000] * 4) as server:
        message = failure(f"{server.url}/x.pth", tmp_path, timeout=0.15)

        assert message == (
            f"{server.url}/x.pth: not complete after 4 tries, the server sent nothing for 0.15 s; "
            f"4,000 of 200,000 {KEPT}"
        )


# What is found after a download was interrupted at byte 50,000, and the ranges that are asked for then.
ANEW: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a server without ranges": ({"ranges": False}, ["bytes=50000-"]),
    "another file": ({"etag": '"two"', "content": CONTENT[:4] + CONTENT[:3:-1]}, ["bytes=50000-"]),
    "another file, If-Range ignored": (
        {"etag": '"two"', "content": CONTENT[:4] + CONTENT[:3:-1], "if_range": False},
        ["bytes=50000-", ""],
    ),
    "a file of other length, If-Range ignored": ({"content": CONTENT[:-1], "if_range": False}, ["bytes=50000-", ""]),
    "a file shorter than the part": ({"content": CONTENT[:40_000], "if_range": False}, ["bytes=50000-", ""]),
    "a part from another byte on": ({"starts": 49_999}, ["bytes=50000-", ""]),
}


@pytest.mark.parametrize("kind", ANEW)
def test_it_starts_anew_where_the_part_cannot_be_added_to(kind: str, tmp_path: Path) -> None:
    behaviour, asked = ANEW[kind]
    with serving() as server:
        interrupt(server, tmp_path, byte_count=50_000)
        for name, value in behaviour.items():
            setattr(server, name, value)
        fetched = get(server, tmp_path)

        assert ranges(server) == ["", *asked]
        assert fetched.path.read_bytes() == server.content


def test_without_a_validator_it_starts_anew(tmp_path: Path) -> None:
    with serving(etag="", cuts=[50_000] * 4) as server:
        message = failure(f"{server.url}/x.pth", tmp_path)

        assert message == f"{server.url}/x.pth: not complete after 4 tries, the connection was cut"
        assert ranges(server) == ["", "", "", ""]


@pytest.mark.parametrize("notes", ["", "{", "[]", '{"size": 3}'])
def test_notes_that_were_cut_short_make_it_start_anew(notes: str, tmp_path: Path) -> None:
    with serving(cuts=[10_000] * 4) as server:
        failure(f"{server.url}/x.pth", tmp_path)
        next(tmp_path.glob("*.part.json")).write_text(notes)
        fetched = get(server, tmp_path)

        assert ranges(server)[4:] == [""]
        assert fetched.path.read_bytes() == CONTENT


def test_a_file_shorter_than_its_content_length_is_refused(tmp_path: Path) -> None:
    with serving(length="300000", ranges=False) as server:
        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{server.url}/x.pth: not complete after 4 tries, the connection was cut; 200,000 of 300,000 {KEPT}"
        )

    with serving(length="300000") as server:
        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{server.url}/x.pth: not complete after 4 tries, the server sent something else than the file "
            "from byte 200,000 on"
        )


def test_ctrl_c_leaves_the_part_for_the_next_run(tmp_path: Path) -> None:
    with serving() as server:
        interrupt(server, tmp_path, byte_count=50_000)
        fetched = get(server, tmp_path)

        assert ranges(server) == ["", "bytes=50000-"]
        assert fetched.path.read_bytes() == CONTENT


def test_a_complete_part_is_taken_without_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", raising(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                get(server, tmp_path)
        fetched = get(server, tmp_path)

        assert ranges(server) == [""]
        assert fetched.path.read_bytes() == CONTENT


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_shown_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with serving(cuts=[10_000]) as server:
        get(server, tmp_path)

    assert "download: 100%" in terminal.getvalue()
    assert "200k/200k" in terminal.getvalue()


def test_nothing_is_shown_elsewhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(cuts=[10_000]) as server:
        get(server, tmp_path)

    assert capfd.readouterr() == ("", "")
