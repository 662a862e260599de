"""What stands beside a target and is not ours stays, and a file that takes another's place is let in by nobody more."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import at_most, make_fifo, make_loop, make_socket

from convert import regular
from convert.checkpoints import replacement
from convert.checkpoints.atomic import check_target, write_atomically
from convert.errors import TargetError

OURS = ".x.pdparams.0123456789ab.tmp"
CAN_CHANGE_OWNERS = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that stands already."""
    path = tmp_path / "x.pdparams"
    path.write_bytes(b"old")
    return path


def failing(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int, *, after: int = 0) -> None:
    """Has a function of a module fail with that error, from its call number `after` on."""
    real: Callable[..., Any] = getattr(module, name)
    calls = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(number, os.strerror(number))
        return real(*args, **options)

    monkeypatch.setattr(module, name, call)


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


# What the new file has of the old one


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444, 0o400, 0o755, 0o666])
def test_a_replaced_file_keeps_its_mode(mode: int, target: Path) -> None:
    target.chmod(mode)

    write_atomically(target, [b"new"], force=True)

    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", mode)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_that_the_mask_leaves(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "x", [b"new"])
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~mask


def test_nobody_else_can_read_what_is_to_replace_a_private_file(target: Path) -> None:
    target.chmod(0o600)
    modes: list[int] = []

    def chunks() -> Iterator[bytes]:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in target.parent.glob(".x.*"))
        yield b"new"

    write_atomically(target, chunks(), force=True)

    assert modes == [0o600]


@pytest.mark.skipif(not CAN_CHANGE_OWNERS, reason="only root can give a file away")
def test_a_replaced_file_keeps_its_owner_and_group(target: Path) -> None:
    os.chown(target, 1234, 4321)
    target.chmod(0o640)

    write_atomically(target, [b"new"], force=True)

    status = target.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 4321, 0o640)


@pytest.mark.skipif(not CAN_CHANGE_OWNERS, reason="only root can make files of another group")
@pytest.mark.parametrize(
    ("mode", "expected"), [(0o640, 0o600), (0o664, 0o644), (0o660, 0o600), (0o606, 0o600), (0o600, 0o600)]
)
def test_where_the_group_cannot_be_kept_no_group_gets_more_than_everybody_had(
    mode: int, expected: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(target, 1234, 4321)
    target.chmod(mode)
    failing(monkeypatch, os, "fchown", errno.EPERM)

    write_atomically(target, [b"new"], force=True)

    assert stat.S_IMODE(target.stat().st_mode) == expected


ACCESS_LIST = bytes.fromhex(  # user::rw-, user:1234:r--, group::---, mask::r--, other::---
    "0200000001000600ffffffff02000400d204000004000000ffffffff10000400ffffffff20000000ffffffff"
)


def give_access_list(path: Path) -> None:
    try:
        os.setxattr(path, replacement.ACCESS_LIST, ACCESS_LIST)
    except OSError:
        pytest.skip("a file system without access lists")


def test_a_replaced_file_keeps_its_access_list(target: Path) -> None:
    give_access_list(target)

    write_atomically(target, [b"new"], force=True)

    assert os.getxattr(target, replacement.ACCESS_LIST) == ACCESS_LIST


def test_where_the_access_list_cannot_be_kept_its_mask_does_not_become_the_group_s(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_access_list(target)
    failing(monkeypatch, os, "setxattr", errno.ENOTSUP)

    write_atomically(target, [b"new"], force=True)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600


# What the target may be


def test_a_link_keeps_pointing_and_the_file_at_its_end_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    real = tmp_path / "store" / "epoch-9.pdparams"
    real.write_bytes(b"old")
    (tmp_path / "best.pdparams").symlink_to("store/epoch-9.pdparams")
    (tmp_path / "latest.pdparams").symlink_to("best.pdparams")

    written = write_atomically(tmp_path / "latest.pdparams", [b"new"], force=True)

    assert (real.read_bytes(), real.is_symlink()) == (b"new", False)
    assert str((tmp_path / "latest.pdparams").readlink()) == "best.pdparams"
    assert str((tmp_path / "best.pdparams").readlink()) == "store/epoch-9.pdparams"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "best.pdparams",
        "epoch-9.pdparams",
        "latest.pdparams",
        "store",
    ]
    assert written.path == tmp_path / "latest.pdparams"


def test_a_link_that_leads_nowhere_yet_gets_its_file(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("later")

    write_atomically(tmp_path / "latest", [b"new"], force=True)

    assert (tmp_path / "later").read_bytes() == b"new"
    assert (tmp_path / "latest").is_symlink()


def test_a_link_is_kept_without_force_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("later")

    with pytest.raises(TargetError, match="exists already and was left as it is"):
        write_atomically(tmp_path / "latest", [b"new"])

    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize(
    ("make", "kind"), [(make_fifo, "a pipe"), (make_socket, "a socket"), (make_loop, "a link")], ids=lambda x: str(x)
)
def test_what_is_no_file_is_not_replaced_even_by_force(make: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    make(path)
    before = path.lstat()

    with at_most(10), pytest.raises(TargetError) as caught:
        write_atomically(path, [b"new"], force=True)

    assert str(caught.value) == f"{path}: is {kind}, not a file, and was left as it is; choose another target"
    assert path.lstat() == before


def test_a_device_and_a_link_to_one_are_not_replaced_even_by_force(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(os.devnull)

    for path in (Path(os.devnull), tmp_path / "x"):
        with pytest.raises(TargetError) as caught:
            check_target(path, force=True)

        assert str(caught.value) == f"{path}: is a device, not a file, and was left as it is; choose another target"


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="has a character that no path can have"):
        check_target(tmp_path / "a\0b", force=True)


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
