"""A target is replaced as a whole or not at all, and nothing is left beside it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from convert.arrays import BFLOAT16
from convert.buffers import Buffer, Deferred
from convert.checkpoints.atomic import Written, check_target, write_atomically
from convert.errors import TargetError

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that stands already, alone in its folder."""
    path = tmp_path / "x.pdparams"
    path.write_bytes(b"old")
    return path


def untouched(target: Path) -> bool:
    return target.read_bytes() == b"old" and list(target.parent.iterdir()) == [target]


def failing_with(error: BaseException) -> Iterator[bytes]:
    yield b"new"
    raise error


def raising(error: BaseException) -> object:
    def call(*_: object) -> NoReturn:
        raise error

    return call


def test_a_new_file_has_the_chunks_and_their_digest(tmp_path: Path) -> None:
    written = write_atomically(tmp_path / "x", [b"a", memoryview(b"b"), b"c"])

    assert (tmp_path / "x").read_bytes() == b"abc"
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert written == Written(tmp_path / "x", 3, digest, written.fsync_seconds)
    assert 0 < written.fsync_seconds < 60
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_an_existing_target_is_kept_without_force(target: Path) -> None:
    with pytest.raises(TargetError) as caught:
        write_atomically(target, [b"new"])

    assert str(caught.value) == f"{target}: exists already and was left as it is; --force replaces it"
    assert untouched(target)


def test_an_existing_target_is_replaced_by_force(target: Path) -> None:
    write_atomically(target, [b"new"], force=True)

    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_a_full_disk_while_writing_leaves_the_old_file(target: Path) -> None:
    with pytest.raises(TargetError) as caught:
        write_atomically(target, failing_with(FULL), force=True)

    assert str(caught.value) == f"{target}: cannot be written: No space left on device"
    assert untouched(target)


def test_an_error_without_a_number_is_told_in_its_own_words(target: Path) -> None:
    with pytest.raises(TargetError) as caught:
        write_atomically(target, failing_with(OSError("the disk is gone")), force=True)

    assert str(caught.value) == f"{target}: cannot be written: the disk is gone"


def test_a_full_disk_while_flushing_leaves_the_old_file(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", raising(FULL))

    with pytest.raises(TargetError) as caught:
        write_atomically(target, [b"new"], force=True)

    assert str(caught.value) == f"{target}: cannot be written: No space left on device"
    assert untouched(target)


def test_a_refused_renaming_leaves_the_old_file(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", raising(PermissionError(errno.EPERM, "Operation not permitted")))

    with pytest.raises(TargetError) as caught:
        write_atomically(target, [b"new"], force=True)

    assert str(caught.value) == f"{target}: cannot be written: Operation not permitted"
    assert untouched(target)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug"), MemoryError()], ids=repr)
def test_what_is_no_fault_of_the_disk_keeps_its_traceback_and_the_old_file(target: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        write_atomically(target, failing_with(error), force=True)

    assert untouched(target)


def test_a_file_that_appears_while_writing_is_kept_without_force(tmp_path: Path) -> None:
    target = tmp_path / "x.pdparams"

    def chunks() -> Iterator[bytes]:
        yield b"new"
        target.write_bytes(b"old")

    with pytest.raises(TargetError) as caught:
        write_atomically(target, chunks())

    assert str(caught.value) == f"{target}: exists already and was left as it is; --force replaces it"
    assert untouched(target)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError) as caught:
        write_atomically(tmp_path / "no" / "x", [b"new"])

    assert str(caught.value) == f"{tmp_path}/no/x: the folder {tmp_path}/no does not exist; create it first"


def test_a_folder_as_target_is_named_even_with_force(tmp_path: Path) -> None:
    with pytest.raises(TargetError) as caught:
        check_target(tmp_path, force=True)

    assert str(caught.value) == f"{tmp_path}: is a directory; name a file in it"


@pytest.mark.parametrize("length", [200, 237, 238, 255, 256])
def test_a_long_name_is_written_or_reported(length: int, tmp_path: Path) -> None:
    target = tmp_path / ("x" * length)

    outcome = (message_of_writing(target), list(tmp_path.iterdir()))

    too_long = f"{target}: cannot be written: File name too long"
    assert outcome in ([("", [target]), (too_long, [])] if length < 256 else [(too_long, [])])


def message_of_writing(target: Path) -> str:
    try:
        write_atomically(target, [b"new"])
    except TargetError as error:
        return str(error)
    return ""


def test_the_temporary_file_stands_in_the_targets_own_folder(tmp_path: Path) -> None:
    seen: list[str] = []

    def chunks() -> Iterator[bytes]:
        seen.extend(path.name for path in tmp_path.iterdir())
        yield b"new"

    write_atomically(tmp_path / "x", chunks())

    assert len(seen) == 1
    assert seen[0].startswith(".x.")
    assert seen[0].endswith(".tmp")


def test_a_killed_process_leaves_the_old_file(target: Path) -> None:
    code = (
        "import sys, time, pathlib; from convert.checkpoints.atomic import write_atomically\n"
        "def chunks():\n    yield b'new' * 100_000\n    print('half', flush=True)\n    time.sleep(60)\n"
        "write_atomically(pathlib.Path(sys.argv[1]), chunks(), force=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)

    assert target.read_bytes() == b"old"


def test_many_chunks_made_on_two_threads_stand_in_their_order(tmp_path: Path) -> None:
    matrices = [np.arange(rows * 70, dtype=np.float32).reshape(rows, 70) + rows for rows in (300, 1, 500, 20) * 10]
    chunks = [chunk for matrix in matrices for chunk in (b"between", Deferred(matrix.T))]

    write_atomically(tmp_path / "x", chunks)

    expected = b"".join(part for matrix in matrices for part in (b"between", matrix.T.tobytes()))
    assert (tmp_path / "x").read_bytes() == expected


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f2", "i8", "?", BFLOAT16], ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (17, 33), (2, 3, 4)])
def test_a_used_buffer_makes_the_bytes_of_an_array_of_any_strides(shape: tuple[int, ...], dtype: str) -> None:
    array = (np.arange(np.prod(shape)) % 5).astype("u2").reshape(shape)
    array = (array.view(BFLOAT16) if dtype == BFLOAT16 else array.astype(dtype)).T
    buffer = Buffer()
    Deferred(np.ones((9, 7)).T).make(buffer)

    made = Deferred(array).make(buffer)

    assert bytes(made) == array.astype(array.dtype.newbyteorder("<")).tobytes()
