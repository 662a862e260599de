"""Killed at any moment, or failed by the disk at any step, a conversion leaves the old file or the complete new one."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fuzz import SMALL, in_paddle, weights_of

from convert.archs import ARCHS
from convert.checkpoints import write_checkpoint
from convert.checkpoints.atomic import Written
from convert.cli import main
from convert.errors import TargetError
from verify.selftest.weights import distinct_weights

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "kill_convert.py"
ERRORS = ("ENOSPC", "EIO", "EDQUOT")
TARGETS = ("x.pdparams", "x.safetensors", "x.pth")
OLD = b"the old file"


class Disk:
    """Counts what is asked of the disk, and fails the step of a number.

    Args:
        monkeypatch: puts the operating system's functions back.
        fail_at: number of the step that fails; -1 for none.
        error: name of the error.
        short: whether each write takes half of what it is given.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, fail_at: int = -1, error: str = "EIO", short: bool = False
    ) -> None:
        self.steps: list[str] = []
        self.fail_at, self.error, self.short = fail_at, getattr(errno, error), short
        for name in ("fsync", "replace", "rename", "write", "writev", "ftruncate", "posix_fallocate"):
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))
        pwrite = os.pwrite

        def write(descriptor: int, data: Any, position: int) -> int:
            self.step("pwrite")
            part = memoryview(data)[: max(1, len(data) // 2)] if self.short else data
            return pwrite(descriptor, part, position)

        monkeypatch.setattr(os, "pwrite", write)

    def step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) - 1 == self.fail_at:
            raise OSError(self.error, os.strerror(self.error))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.step(name)
            return function(*args, **options)

        return call


def write(target: Path) -> Written:
    paddle = target.suffix == ".pdparams"
    tensors = in_paddle(SMALL) if paddle else weights_of(SMALL)
    return write_checkpoint(target, tensors, framework="paddle" if paddle else "torch", force=True)


@contextmanager
def failing(fail_at: int, error: str) -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Disk(monkeypatch, fail_at=fail_at, error=error)


def steps_of(target: Path) -> list[str]:
    with failing(-1, "EIO") as disk:
        write(target)
    return disk.steps


@pytest.mark.parametrize("name", TARGETS)
def test_the_steps_of_writing_are_writes_a_flush_a_renaming_and_a_flush_of_the_folder(
    name: str, tmp_path: Path
) -> None:
    steps = steps_of(tmp_path / name)

    assert set(steps[:-3]) <= {"posix_fallocate", "pwrite"}
    assert steps.count("posix_fallocate") == (name != "x.pth")
    assert len(steps) > 10
    assert steps[-3:] == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", TARGETS)
def test_a_disk_that_fails_at_any_step_leaves_the_old_file_and_nothing_else(
    name: str, error: str, tmp_path: Path
) -> None:
    target = tmp_path / name
    for number in range(len(steps_of(target)) - 1):
        target.write_bytes(OLD)
        with failing(number, error), pytest.raises(TargetError) as caught:
            write(target)

        assert str(caught.value) == f"{target}: cannot be written: {os.strerror(getattr(errno, error))}"
        assert target.read_bytes() == OLD
        assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", TARGETS)
def test_a_disk_that_fails_after_the_renaming_leaves_the_complete_new_file_and_a_note(
    name: str, error: str, tmp_path: Path
) -> None:
    target = tmp_path / name
    last = len(steps_of(target)) - 1
    new = target.read_bytes()
    target.write_bytes(OLD)

    with failing(last, error):
        written = write(target)

    reason = os.strerror(getattr(errno, error))
    assert written.note == f"{target}: is complete, but the folder could not be flushed to the disk: {reason}"
    assert target.read_bytes() == new
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("step", ["first write", "write in the middle", "last write", "fsync", "rename"])
def test_the_command_ends_with_1_where_the_disk_fails_at_the(
    step: str, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = convertible(tmp_path)
    with failing(-1, error) as disk:
        assert main(given) == 0
    last = len(disk.steps) - 1
    numbers = {"first write": 0, "write in the middle": last // 2, "last write": last - 3, "fsync": last - 2}
    (tmp_path / "x.pdparams").write_bytes(OLD)
    capsys.readouterr()

    with failing(numbers.get(step, last - 1), error):
        status = main(given)

    reason = f"{tmp_path}/x.pdparams: cannot be written: {os.strerror(getattr(errno, error))}"
    assert (status, capsys.readouterr()) == (1, ("", f"convert: {reason}\nconvert: nothing was written\n"))
    assert (tmp_path / "x.pdparams").read_bytes() == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pdparams", "x.pth"]


def convertible(folder: Path) -> list[str]:
    """The command's arguments, for a source that it makes."""
    weights = distinct_weights(ARCHS["convnext_digits"].params(), dtype="float32")
    write_checkpoint(folder / "x.pth", weights, framework="torch")
    return ["--src", str(folder / "x.pth"), "--dst", str(folder / "x.pdparams"), "--force"]


@pytest.mark.parametrize("name", TARGETS)
def test_writes_that_take_half_of_what_they_are_given_end_in_the_same_file(name: str, tmp_path: Path) -> None:
    whole = write(tmp_path / name)
    with pytest.MonkeyPatch.context() as monkeypatch:
        Disk(monkeypatch, short=True)

        short = write(tmp_path / name)

    assert (short.size, short.sha256) == (whole.size, whole.sha256)


def test_a_file_system_that_is_really_full_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel itself refuses the write."""
    given = convertible(tmp_path)
    (tmp_path / "x.pdparams").write_bytes(OLD)
    code = (
        "import resource, signal, sys; from convert.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )

    child = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True, check=False)

    reason = f"convert: {tmp_path}/x.pdparams: cannot be written: File too large\nconvert: nothing was written\n"
    assert (child.returncode, child.stderr) == (1, reason)
    assert (tmp_path / "x.pdparams").read_bytes() == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pdparams", "x.pth"]


def test_a_process_killed_at_random_moments_leaves_the_old_file_or_the_new_one() -> None:
    child = subprocess.run(
        [sys.executable, SCRIPT, "--count", "40"], capture_output=True, text=True, timeout=120, check=False
    )

    counts = {match[1]: int(match[2]) for match in re.finditer(r"^(\D+?) +(\d+)$", child.stdout, re.MULTILINE)}
    assert child.returncode == 0, child.stdout
    assert counts["killed"] == 40
    assert counts["found the old file"] + counts["found the complete new file"] == 40
    assert (counts["found DAMAGED"], counts["leftovers after it"]) == (0, 0)
    assert counts["left a temporary file"] > 0


def test_a_leftover_of_a_killed_process_is_removed_by_the_next_run_and_one_in_use_is_not(tmp_path: Path) -> None:
    (tmp_path / ".x.pdparams.0123456789ab.tmp").write_bytes(b"half")
    (tmp_path / ".y.pdparams.0123456789ab.tmp").write_bytes(b"half")
    code = (
        "import sys, time, pathlib; from convert.checkpoints.atomic import write_atomically\n"
        "def chunks():\n    yield b'new'\n    print('half', flush=True)\n    time.sleep(60)\n"
        "write_atomically(pathlib.Path(sys.argv[1]), chunks())"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "x.pdparams"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        in_use = {path.name for path in tmp_path.iterdir()} - {".y.pdparams.0123456789ab.tmp"}

        write(tmp_path / "x.pdparams")
        beside = {path.name for path in tmp_path.iterdir()}
        child.kill()

    assert len(in_use) == 1
    assert beside == {"x.pdparams", ".y.pdparams.0123456789ab.tmp", *in_use}
