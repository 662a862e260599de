"""Memory that several processes see: taken as a whole before it is used, wherever the machine has it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.errors import FerryError
from verify.workers import batches
from verify.workers.batches import Attached, SharedBatch, check_room

BATCH = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)


def failing(number: int) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def without_memfd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system without memfd_create, whose /dev/shm is the folder that is returned."""
    monkeypatch.delattr(os, "memfd_create")
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(batches, "DISK_MEMORY", folder)
    return folder


def test_a_batch_lies_in_no_folder_and_is_seen_by_its_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkstemp", failing(errno.EROFS))

    with SharedBatch(BATCH.nbytes) as shared, Attached() as attached:
        seen = attached.view(shared.put(BATCH))
        assert seen.tobytes() == BATCH.tobytes()
        assert shared.memory.endswith(f"/proc/{os.getpid()}/fd/{shared.memory.rpartition('/')[2]}")
        del seen


def test_the_whole_room_is_taken_at_once() -> None:
    with SharedBatch(3 << 20) as shared:
        taken = os.stat(shared.memory.partition(":")[2]).st_blocks * 512  # noqa: PTH116 - a descriptor's link

    assert taken >= 3 << 20


def test_a_later_batch_under_the_same_descriptor_is_not_taken_for_the_earlier_one() -> None:
    with Attached() as attached:
        for value in (1, 2):
            with SharedBatch(64) as shared:
                ref = shared.put(np.full((1, 1, 2, 2), value, np.float32))
                assert attached.view(ref).max() == value


@pytest.mark.parametrize("full", [False, True])
def test_without_memfd_the_memory_s_folder_serves_and_if_that_is_full_the_disk(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = without_memfd(monkeypatch, tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if full:
        monkeypatch.setattr(batches, "DISK_MEMORY", tmp_path / "no")

    with SharedBatch(BATCH.nbytes) as shared, Attached() as attached:
        place = Path(shared.memory.partition(":")[2]).parent
        assert attached.view(shared.put(BATCH)).tobytes() == BATCH.tobytes()

    assert place == (tmp_path if full else folder)
    assert [*folder.iterdir(), *tmp_path.glob("paddleferry-*")] == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.ENOMEM])
def test_room_that_is_nowhere_is_an_error_that_says_what_helps(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(number))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their number is asked for

    with pytest.raises(FerryError) as caught:
        check_room(1000, 3)

    assert str(caught.value) == (
        f"there is no room for a batch of 1,000 bytes that all processes see: {os.strerror(number)}; "
        "a smaller --batch-size needs less; docker's --shm-size, or ulimit -f and -v, may give more"
    )
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_room_that_was_looked_for_is_given_back() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their number is asked for

    check_room(1000, 3)

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_batch_that_has_gone_is_an_error() -> None:
    with SharedBatch(BATCH.nbytes) as shared:
        ref = shared.put(BATCH)

    with Attached() as attached, pytest.raises(FerryError, match="cannot be seen from another process"):
        attached.view(ref)
