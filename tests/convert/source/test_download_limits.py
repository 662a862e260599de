"""Downloads that would take too much: too many bytes, too much time, more than the disk has room for."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from raw_server import Answer, answering, chunk, head
from server import CONTENT, KEPT, failure, get, interrupt, ranges, serving

from convert.errors import FerryError
from convert.source.download import MAX_SIZE
from convert.source.locate import locate, size_limit
from convert.source.pretrained import PRETRAINED, ROWS

MAGIC = b"PK\x03\x04"
LIMIT = "where 100,000 are the limit; check the address"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def left(cache: Path) -> list[str]:
    """What is in the cache beside locks."""
    return sorted(path.suffix for path in cache.iterdir() if path.suffix != ".lock")


def test_a_body_without_a_length_is_ended_at_the_limit(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        yield head("Transfer-Encoding: chunked")
        yield chunk(MAGIC)
        yield from itertools.repeat(chunk(bytes(1 << 16)))

    with answering(endless) as url:
        assert failure(f"{url}/x.pth", tmp_path, size=1_000_000) == (
            f"{url}/x.pth: sends more than 1,000,000 bytes, the limit here; nothing of it is kept"
        )

    assert left(tmp_path) == []


def test_a_file_longer_than_the_limit_is_refused_before_its_bytes(tmp_path: Path) -> None:
    with serving() as server:
        assert failure(f"{server.url}/x.pth", tmp_path, size=100_000) == (
            f"{server.url}/x.pth: has 200,000 bytes, {LIMIT}"
        )

    assert left(tmp_path) == []


NOT_SAID = "the server does not say how long the file is; download it with a browser and give the file"
MANY = f"has a length of more digits than any file has, {LIMIT}"

# Content-Length, and the error.
LENGTHS = {
    "9" * 5000: MANY,
    "9" * 16: MANY,
    "1" + "0" * 14: f"has 100,000,000,000,000 bytes, {LIMIT}",
    "-5": NOT_SAID,
    "+5": NOT_SAID,
    "1e9": NOT_SAID,
    "5, 5": NOT_SAID,
    "0x10": NOT_SAID,
    "²": NOT_SAID,
}


@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: length[:20])
def test_a_length_that_no_file_has_is_one_error(length: str, tmp_path: Path) -> None:
    with answering(lambda: [head(f"Content-Length: {length}"), CONTENT]) as url:
        assert failure(f"{url}/x.pth", tmp_path, size=100_000) == f"{url}/x.pth: {LENGTHS[length]}"

    assert left(tmp_path) == []


# Content-Range of the answer to a request for the rest.
RANGES = (
    f"bytes 50000-199999/{'9' * 5000}",
    "bytes 50000-199999/-200000",
    "bytes 50000-199999/many",
    f"bytes {'9' * 5000}-199999/200000",
    "bytes -50000-199999/200000",
    "",
)


@pytest.mark.parametrize("content_range", RANGES, ids=lambda text: text[:20])
def test_a_range_that_no_file_has_never_mixes_two_files(content_range: str, tmp_path: Path) -> None:
    with serving() as server:
        interrupt(server, tmp_path, byte_count=50_000)
        server.content_range = content_range
        fetched = get(server, tmp_path)

    assert fetched.path.read_bytes() == CONTENT


NOTES = {
    "of 5,000 digits": '{"validator": "\\"one\\"", "size": %s}' % ("9" * 5000),
    "of a negative size": '{"validator": "\\"one\\"", "size": -1}',
    "of a size in words": '{"validator": "\\"one\\"", "size": "many"}',
    "of a validator that is a list": '{"validator": ["one"], "size": 200000}',
    "of a validator with a line break": '{"validator": "one\\r\\nX: y", "size": 200000}',
    "nested": "[" * 100_000,
    "endless": '{"validator": "' + "x" * (2 << 20),
}


@pytest.mark.parametrize("kind", NOTES)
def test_notes_that_are_none_of_ours_begin_the_download_anew(kind: str, tmp_path: Path) -> None:
    with serving() as server:
        interrupt(server, tmp_path, byte_count=50_000)
        (notes,) = tmp_path.glob("*.json")
        notes.write_text(NOTES[kind])

        assert get(server, tmp_path).path.read_bytes() == CONTENT
        assert ranges(server) == ["", ""]


# Answers that go on for ever, and of which too little is the file's.


def slowly(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        time.sleep(0.02)
        yield piece


def of_body() -> Iterator[bytes]:
    yield head("Content-Length: 200000", 'ETag: "one"') + MAGIC
    yield from slowly(itertools.repeat(b"x"))


def of_header() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Long: "
    yield from slowly(itertools.repeat(b"x"))


def of_headers() -> Iterator[bytes]:
    yield from slowly(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"))


def of_chunk_sizes() -> Iterator[bytes]:
    yield head("Transfer-Encoding: chunked") + b"1;"
    yield from slowly(itertools.repeat(b"x"))


def of_chunk_extensions() -> Iterator[bytes]:
    yield head("Transfer-Encoding: chunked") + chunk(MAGIC)
    yield from slowly(itertools.repeat(b"1;" + b"x" * 10_000 + b"\r\nx\r\n"))


def of_redirects() -> Iterator[bytes]:
    yield b"HTTP/1.1 302 Found\r\nLocation: /again"
    yield from slowly(itertools.repeat(b"x"))


@pytest.mark.parametrize(
    "dribble",
    [of_body, of_header, of_headers, of_chunk_sizes, of_chunk_extensions, of_redirects],
    ids=lambda dribble: dribble.__name__,
)
def test_a_server_that_sends_too_slowly_is_not_waited_for(dribble: Answer, tmp_path: Path) -> None:
    start = time.monotonic()
    with answering(dribble) as url:
        message, _, kept = failure(f"{url}/x.pth", tmp_path, window=0.3).partition("; try again later")

    assert message == f"{url}/x.pth: the server sends fewer than 1,000 bytes of the file a second"
    assert bool(kept) == (dribble is of_body)
    assert kept.endswith(f" of 200,000 {KEPT}" if kept else "")
    assert time.monotonic() - start < 5


def test_the_body_of_a_redirect_is_not_read(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"
        yield from itertools.repeat(bytes(1 << 16))

    start = time.monotonic()
    with answering(endless) as url:
        assert failure(f"{url}/x.pth", tmp_path) == (
            f"{url}/x.pth: redirects in a way that cannot be followed; give the address of the file itself"
        )

    assert time.monotonic() - start < 5


def test_a_disk_without_room_is_one_error_before_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=150_000))
    with serving() as server:
        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{server.url}/x.pth: needs 200,000 bytes, and the cache's disk has room for 150,000; "
            "make room, or set PADDLEFERRY_CACHE to a folder that has it"
        )


def test_a_body_without_a_length_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=150_000))
    with serving(chunked=True) as server:
        assert failure(f"{server.url}/x.pth", tmp_path) == (
            f"{server.url}/x.pth: sends more than 150,000 bytes, the limit here; nothing of it is kept"
        )

    assert left(tmp_path) == []


def test_a_part_counts_towards_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    with serving() as server:
        interrupt(server, tmp_path, byte_count=100_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))

        assert get(server, tmp_path).path.read_bytes() == CONTENT


def test_every_published_checkpoint_has_a_limit_of_its_own() -> None:
    limits = {row.name: size_limit(row) for row in ROWS}

    assert max(limits.values()) <= MAX_SIZE
    assert min(limits.values()) > 2 * 8_000_000  # the smallest has 2 million parameters
    assert 2 * 3_386_000_000 < limits["convnext_xxlarge.clip_laion2b_soup"] < 2.1 * 3_400_000_000
    assert 2 * 114_000_000 < limits["convnext_tiny.fb_in1k"] < 2.1 * 115_000_000


def test_a_published_checkpoint_of_another_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "convnext_tiny.fb_in1k"
    monkeypatch.setenv("PADDLEFERRY_CACHE", str(tmp_path))
    with answering(lambda: [head("Content-Length: 1000000000"), CONTENT]) as url:
        row = PRETRAINED[name]
        monkeypatch.setitem(PRETRAINED, name, row.__class__(name, row.arch, f"{url}/x.pth", row.num_classes))

        with pytest.raises(FerryError) as caught:
            locate(name)

    assert str(caught.value) == (
        f"{url}/x.pth: has 1,000,000,000 bytes, where {size_limit(row):,} are the limit; check the address"
    )
