"""What somebody else may have made is opened only if it is a regular file, and never waited for."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from server import get, serving
from waiting import at_most, make_fifo, make_socket

from convert.digest import sha256_of
from convert.errors import FerryError
from convert.regular import NotRegular, lock, open_regular, read_text, refuse_irregular, scratch_folder
from convert.source.cache import FetchError, fetch

NOT_FILES = [(make_fifo, "it is a pipe, not a file"), (make_socket, "it is a socket, not a file")]
FOLDER = os.strerror(errno.EISDIR)


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "r+b"])
@pytest.mark.parametrize(("make", "message"), [*NOT_FILES, (Path.mkdir, FOLDER)], ids=lambda value: str(value)[:12])
def test_what_is_no_file_is_opened_for_nothing(
    make: Callable[[Path], object], message: str, mode: str, tmp_path: Path
) -> None:
    make(tmp_path / "x")

    with at_most(10), pytest.raises(NotRegular) as caught:
        open_regular(tmp_path / "x", mode)

    assert caught.value.strerror == message


@pytest.mark.parametrize("mode", ["rb", "ab"])
def test_a_pipe_at_whose_other_end_somebody_waits_is_not_opened_either(mode: str, tmp_path: Path) -> None:
    make_fifo(tmp_path / "x")
    other = os.open(tmp_path / "x", os.O_RDWR | os.O_NONBLOCK)
    try:
        with at_most(10), pytest.raises(NotRegular, match="a pipe"):
            open_regular(tmp_path / "x", mode)
    finally:
        os.close(other)


@pytest.mark.parametrize("mode", ["rb", "ab"])
def test_a_device_is_not_opened(mode: str) -> None:
    with pytest.raises(NotRegular, match="it is a device, not a file"):
        open_regular(os.devnull, mode)


@pytest.mark.parametrize("read", [read_text, sha256_of, refuse_irregular])
def test_every_way_to_a_file_refuses_a_pipe(read: Callable[[Path], object], tmp_path: Path) -> None:
    make_fifo(tmp_path / "x")

    with at_most(10), pytest.raises(NotRegular):
        read(tmp_path / "x")


def test_a_file_is_written_read_and_added_to_through_a_link_as_ever(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x")
    for mode, content in (("wb", b"one"), ("ab", b", two")):
        with open_regular(tmp_path / "link", mode) as file:
            file.write(content)

    assert read_text(tmp_path / "x") == "one, two"


def test_a_file_that_is_not_there_is_the_system_s_own_error(tmp_path: Path) -> None:
    refuse_irregular(tmp_path / "no")

    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "no")


# The cache


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize("suffix", ["", ".lock", ".part", ".sha256", ".part.json"])
def test_a_pipe_in_the_cache_is_an_error_and_is_never_waited_for(suffix: str, tmp_path: Path) -> None:
    with serving() as server:
        entry = get(server, tmp_path).path
        for path in list(tmp_path.iterdir()):
            if suffix not in ("", ".sha256") or path.name == f"{entry.name}{suffix}":
                path.unlink()
        make_fifo(entry.with_name(f"{entry.name}{suffix}"))

        with at_most(30), pytest.raises(FetchError) as caught:
            fetch(f"{server.url}/x.pth", cache=tmp_path)

    where = entry.with_name(f"{entry.name}{suffix}")
    what = "is a pipe, a link, a folder or a device where a file of the cache goes; remove it"
    assert str(caught.value) == f"{where}: {what}"


@pytest.mark.usefixtures("_no_proxy")
def test_a_cache_on_a_file_system_without_locks_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    with serving() as server:
        assert get(server, tmp_path).size == 200_000

    with open_regular(tmp_path / "x", "wb") as file:
        assert not lock(file.fileno())


# Room for a while


def test_a_scratch_folder_goes_with_what_is_in_it() -> None:
    with scratch_folder() as folder:
        (folder / "x").write_bytes(b"x")

    assert not folder.exists()


def test_where_there_is_no_folder_for_temporary_files_one_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", lambda: open_regular("/no/usable/folder"))

    with pytest.raises(FerryError) as caught, scratch_folder():
        pass

    assert str(caught.value) == (
        "no folder for temporary files can be made: No such file or directory; set TMPDIR to one that can be written to"
    )
