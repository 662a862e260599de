"""What stands beside a target and is not ours stays, whatever the file system cannot do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from failing_calls import failing
from waiting import at_most, make_fifo, make_loop, make_socket

from convert import regular
from convert.checkpoints import replacement
from convert.checkpoints.atomic import write_atomically
from convert.errors import TargetError

OURS = ".x.pdparams.0123456789ab.tmp"
CAN_CHANGE_OWNERS = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that stands already."""
    path = tmp_path / "x.pdparams"
    path.write_bytes(b"old")
    return path


# What lies beside the target


NOT_OURS = [
    ".x.pdparams.my-notes.tmp",
    ".x.pdparams.tmp",
    ".x.pdparams.0123456789ab.tmp.tmp",
    ".x.pdparams.0123456789ab",
    ".x.pdparams.0123456789abc.tmp",
    ".x.pdparams.0123456789a.tmp",
    ".x.pdparams.0123456789AB.tmp",
    ".x.pdparams.0123456789ag.tmp",
    ".x.pdparams.0123456789ab.tmp\n",
    ".y.pdparams.0123456789ab.tmp",
    ".xzpdparams.0123456789ab.tmp",
    "x.pdparams.0123456789ab.tmp",
]


@pytest.mark.parametrize("name", NOT_OURS, ids=repr)
def test_a_file_of_another_name_than_ours_stays(name: str, target: Path) -> None:
    mine = target.with_name(name)
    mine.write_text("mine")

    write_atomically(target, [b"new"], force=True)

    assert mine.read_text() == "mine"


def test_what_a_killed_run_left_goes(target: Path) -> None:
    target.with_name(OURS).write_bytes(b"half")

    write_atomically(target, [b"new"], force=True)

    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("make", [make_fifo, make_socket, make_loop, Path.mkdir])
def test_what_has_our_form_and_is_no_file_is_neither_waited_for_nor_removed(
    make: Callable[[Path], object], target: Path
) -> None:
    make(target.with_name(OURS))

    with at_most(10):
        write_atomically(target, [b"new"], force=True)

    assert sorted(path.name for path in target.parent.iterdir()) == [OURS, "x.pdparams"]


def test_a_link_of_our_form_stays_and_so_does_what_it_leads_to(target: Path) -> None:
    mine = target.with_name("mine")
    mine.write_text("mine")
    target.with_name(OURS).symlink_to(mine)

    write_atomically(target, [b"new"], force=True)

    assert mine.read_text() == target.with_name(OURS).read_text() == "mine"


def test_what_another_process_writes_stays_and_so_does_all_where_nothing_can_be_locked(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.with_name(OURS).write_bytes(b"half")
    descriptor = os.open(target.with_name(OURS), os.O_RDWR)
    assert regular.lock(descriptor)
    write_atomically(target, [b"new"], force=True)
    assert target.with_name(OURS).exists()
    os.close(descriptor)

    assert regular.fcntl is not None
    failing(monkeypatch, regular.fcntl, "flock", errno.ENOSYS)
    write_atomically(target, [b"newer"], force=True)

    assert target.with_name(OURS).exists()
    assert target.read_bytes() == b"newer"


def test_a_temporary_file_that_another_process_takes_for_a_leftover_is_made_anew(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = regular.lock
    taken: list[str] = []

    def remove_the_first(descriptor: int) -> bool:
        if not taken:
            (path,) = target.parent.glob(".x.pdparams.*.tmp")
            taken.append(path.name)
            path.unlink()
        return real(descriptor)

    monkeypatch.setattr(replacement, "lock", remove_the_first)

    write_atomically(target, [b"new"], force=True)

    assert len(taken) == 1
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


# File systems that lack something


@pytest.mark.parametrize("name", ["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def test_a_file_system_without_locks_is_written_to(name: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert regular.fcntl is not None
    failing(monkeypatch, regular.fcntl, "flock", getattr(errno, name))

    write_atomically(target, [b"new"], force=True)

    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["EINVAL", "ENOSYS", "EOPNOTSUPP"])
def test_a_file_system_that_cannot_reserve_is_written_to(
    name: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, os, "posix_fallocate", getattr(errno, name))

    write_atomically(target, [b"new"], force=True)

    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["ENOSPC", "EFBIG"])
def test_room_that_is_not_there_is_an_error_before_anything_is_written(
    name: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, os, "posix_fallocate", getattr(errno, name))

    with pytest.raises(TargetError) as caught:
        write_atomically(target, [b"new"], force=True)

    assert str(caught.value) == f"{target}: cannot be written: {os.strerror(getattr(errno, name))}"
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["EINVAL", "ENOTSUP", "EROFS", "EACCES", "ENOSYS", "EBADF"])
def test_a_folder_that_cannot_be_flushed_is_nothing_to_speak_of(
    name: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, os, "fsync", getattr(errno, name), after=1)  # the first one is the file's

    written = write_atomically(target, [b"new"], force=True)

    assert written.note == ""
    assert target.read_bytes() == b"new"


@pytest.mark.skipif(CAN_CHANGE_OWNERS, reason="root opens any folder")
def test_a_folder_that_may_be_written_to_and_not_listed_is_written_to(target: Path) -> None:
    target.parent.chmod(0o300)
    try:
        written = write_atomically(target, [b"new"], force=True)
    finally:
        target.parent.chmod(0o700)

    assert (written.note, target.read_bytes()) == ("", b"new")


# Many at once


def test_targets_that_are_written_at_once_do_not_take_one_another_s_files(target: Path) -> None:
    code = (
        "import sys, pathlib; from convert.checkpoints.atomic import write_atomically\n"
        "for _ in range(60): write_atomically(pathlib.Path(sys.argv[1]), [b'new'], force=True, digest=False)"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, target], stderr=subprocess.PIPE) for _ in range(4)]

    errors = [child.communicate(timeout=60)[1] for child in children]

    assert errors == [b""] * 4
    assert list(target.parent.iterdir()) == [target]
