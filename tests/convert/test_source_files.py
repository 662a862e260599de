"""A source file, opened: what it waits for, and what is read of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import convert.files
from convert.errors import UnreadableSource
from convert.files import SourceFile, held, whole

LONG_AGO = 1_600_000_000


def test_a_file_written_this_moment_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert.files, "TICK", 300_000_000)
    (tmp_path / "x").write_bytes(b"content")
    written = time.monotonic()

    SourceFile(tmp_path / "x")

    assert time.monotonic() - written > 0.25


def test_a_file_that_is_written_all_the_time_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert.files, "TICK", 10**12)
    monkeypatch.setattr(convert.files, "PATIENCE", 0.1)
    (tmp_path / "x").write_bytes(b"content")

    assert SourceFile(tmp_path / "x").size == 7


def test_a_file_of_long_ago_or_of_the_future_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert.files, "TICK", 10**9)
    begin = time.monotonic()

    for seconds in (LONG_AGO, time.time() + 10_000):
        (tmp_path / "x").write_bytes(b"content")
        os.utime(tmp_path / "x", (seconds, seconds))
        SourceFile(tmp_path / "x")

    assert time.monotonic() - begin < 1


def test_the_parts_of_a_file_are_read_by_position(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(100)))
    part = whole(SourceFile(tmp_path / "x")).part(10, 50).part(5, 20)

    assert bytes(part.read(0, 5)) == bytes(range(15, 20))
    assert bytes(part.read(10, 1000)) == bytes(range(25, 35))
    with pytest.raises(ValueError, match="bytes 1 to 21 of 20"):
        part.part(1, 20)


def test_bytes_in_memory_are_read_as_a_file_is() -> None:
    target = bytearray(3)

    held(b"content").read_into(2, memoryview(target))

    assert target == b"nte"


def test_a_system_without_reads_into_memory_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "preadv")
    (tmp_path / "x").write_bytes(b"content")

    assert bytes(SourceFile(tmp_path / "x").read(2, 3)) == b"nte"


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    (tmp_path / "x").write_bytes(b"content")
    file = SourceFile(tmp_path / "x")
    monkeypatch.setattr(convert.files, "read_at", fail)

    with pytest.raises(UnreadableSource) as caught:
        file.read(0, 1)

    said = "cannot be read: Input/output error; check the disk that it lies on"
    assert str(caught.value) == f"{tmp_path}/x: {said}"
