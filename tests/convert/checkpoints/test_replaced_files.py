"""A file that takes another's place is let in by nobody more, and takes the place of a file alone."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from failing_calls import failing
from waiting import at_most, make_fifo, make_loop, make_socket

from convert.checkpoints import replacement
from convert.checkpoints.atomic import check_target, write_atomically
from convert.errors import TargetError

CAN_CHANGE_OWNERS = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that stands already."""
    path = tmp_path / "x.pdparams"
    path.write_bytes(b"old")
    return path


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
    ("make", "kind"),
    [(make_fifo, "a pipe"), (make_socket, "a socket"), (make_loop, "a link")],
    ids=["pipe", "socket", "link"],
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
