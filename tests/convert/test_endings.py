"""A command that is asked to end says what stands, and a limit of the machine is an error and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_files import as_tensors, run_python

from convert import ARCHS, summary
from convert.cli import main
from convert.endings import Terminated, shortages, status_of, terminable, word_of
from convert.errors import FerryError
from verify.selftest.weights import distinct_weights

DIGITS = ARCHS["convnext_digits"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A checkpoint of a convnext_digits, alone in its folder."""
    weights = distinct_weights(DIGITS.params(), dtype="float32")
    torch.save(as_tensors(weights), tmp_path / "x.pth")
    return tmp_path / "x.pth"


@contextmanager
def handled(number: int, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


# Signals


@pytest.mark.parametrize(
    ("number", "word", "status"),
    [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143), (signal.SIGHUP, "terminated", 129)],
)
def test_a_signal_has_its_word_and_its_status(number: signal.Signals, word: str, status: int) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, terminable():
        signal.raise_signal(number)

    assert (word_of(caught.value), status_of(caught.value)) == (word, status)


def test_the_word_is_that_of_the_signal_behind_the_error_as_well() -> None:
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt("in the middle of it") from error

    with pytest.raises(KeyboardInterrupt) as caught, terminable():
        work()

    assert (word_of(caught.value), status_of(caught.value)) == ("terminated", 143)


def test_the_handlers_are_as_before_when_a_command_has_ended() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]

    with terminable(), terminable():
        within = [signal.getsignal(number) for number in numbers]

    assert [signal.getsignal(number) for number in numbers] == before
    assert not set(within) & set(before)


def test_a_signal_that_nohup_has_ignored_stays_ignored() -> None:
    with handled(signal.SIGHUP, signal.SIG_IGN), terminable():
        signal.raise_signal(signal.SIGHUP)


def test_a_second_termination_does_not_cut_short_what_the_first_one_began() -> None:
    cleaned = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGHUP)  # systemd sends both
            cleaned.append(True)

    with pytest.raises(Terminated), terminable():
        work()

    assert cleaned == [True]


def test_what_a_library_makes_of_a_signal_becomes_the_signal_again() -> None:
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("Importing the numpy C-extensions failed") from None

    with pytest.raises(Terminated), terminable(), shortages():
        work()


def test_a_fault_after_a_command_that_was_ended_is_a_fault() -> None:
    with pytest.raises(Terminated), terminable():
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(ZeroDivisionError), terminable(), shortages():
        _ = 1 / 0


def end_at(event: str) -> str:
    """A program that runs convert, and is terminated at the first event of that name that has to do with the target."""
    return (
        "import signal, sys, convert.cli\n"
        "def watch(event, arguments):\n"
        f"    if event == {event!r} and '.x.pdparams.' in str(arguments[0]):\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "sys.addaudithook(watch)\n"
        "sys.exit(convert.cli.main(sys.argv[1:]))"
    )


@pytest.mark.parametrize("event", ["open", "os.rename"])
def test_a_conversion_that_is_terminated_leaves_no_file_and_says_so(event: str, source: Path) -> None:
    child = run_python(end_at(event), "--src", source, "--dst", source.with_suffix(".pdparams"))

    assert (child.returncode, child.stdout) == (143, "")
    assert child.stderr == "\nconvert: terminated; nothing was written\n"
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_conversion_that_is_ended_when_the_target_is_written_says_that_it_is_complete(
    number: signal.Signals,
    word: str,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(summary, "as_json", lambda *_: signal.raise_signal(number))
    target = source.with_suffix(".pdparams")

    status = main(["--src", str(source), "--dst", str(target), "--json"])

    assert (status, capsys.readouterr()) == (128 + number, ("", f"\nconvert: {word}; {target} is complete\n"))
    assert target.stat().st_size > 1_000_000


def test_a_target_that_stands_already_and_is_not_replaced_is_not_called_complete(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = source.with_suffix(".pdparams")
    target.write_bytes(b"old")
    monkeypatch.setattr("convert.job.write_checkpoint", lambda *_, **__: signal.raise_signal(signal.SIGTERM))

    status = main(["--src", str(source), "--dst", str(target), "--force"])

    assert (status, capsys.readouterr().err) == (143, "\nconvert: terminated; nothing was written\n")
    assert target.read_bytes() == b"old"


# Limits


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "there is not enough memory; ulimit -v, or a container's limit, may be too low"),
        (
            RuntimeError("can't start new thread"),
            "no further thread can be started; ulimit -u or -v, or a container's limit, may be too low",
        ),
        (
            ImportError("libx.so: failed to map segment from shared object"),
            "there is not enough memory to load a library; ulimit -v, or a container's limit, may be too low",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_limit_of_the_machine_is_named(error: Exception, message: str) -> None:
    with pytest.raises(FerryError) as caught, shortages():
        raise error

    assert str(caught.value) == message


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ImportError("no module"), ValueError()], ids=repr)
def test_what_is_no_limit_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, shortages():
        raise error

    assert caught.value is error


def test_memory_that_lacks_when_the_target_is_written_does_not_deny_the_target(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(summary, "as_json", fail)
    target = source.with_suffix(".pdparams")

    status = main(["--src", str(source), "--dst", str(target), "--json"])

    assert status == 1
    assert capsys.readouterr().err == (
        "convert: there is not enough memory; ulimit -v, or a container's limit, may be too low\n"
        f"convert: {target} is complete\n"
    )


LIMITED = """
import resource, sys, convert.cli
import convert.job, convert.source.locate, convert.summary
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(convert.cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("mebibytes", [1, 4, 300])
def test_the_command_ends_with_1_and_no_traceback_where_memory_is_limited(mebibytes: int, source: Path) -> None:
    """A limit below what is taken already stands for any: whatever is asked for next is refused."""
    child = run_python(LIMITED, mebibytes << 20, "--src", source, "--dst", source.with_suffix(".pdparams"))

    assert child.returncode in (0, 1)
    assert "Traceback" not in child.stderr
    assert child.returncode == 0 or child.stderr.endswith("\nconvert: nothing was written\n")


# Names on a terminal


def convert(encoding: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """The command as a process whose streams have that encoding."""
    words = [sys.executable, "-m", "convert", *map(str, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(words, env=environment, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8:strict", "utf-8"])
@pytest.mark.parametrize("name", ["\N{DIVISION SLASH}\N{GRINNING FACE}é", "\udcff"], ids=ascii)
@pytest.mark.parametrize("more", [(), ("--json",), ("--plan",)], ids=str)
def test_no_name_is_beyond_a_terminal(encoding: str, name: str, more: tuple[str, ...], source: Path) -> None:
    source = source.rename(source.with_name(f"{name}.pth"))
    target = source.with_name(f"to {name}.pdparams")

    child = convert(encoding, "--src", source, "--dst", target, *more)

    assert (child.returncode, child.stderr) == (0, b"")
    assert target.exists() == ("--plan" not in more)
    assert b".pth" in child.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict"])
def test_an_error_with_any_name_is_told(encoding: str, tmp_path: Path) -> None:
    child = convert(encoding, "--src", tmp_path / "\udcff\N{GRINNING FACE}.pth", "--plan")

    assert (child.returncode, child.stdout) == (1, b"")
    assert b"\\xdcff" in child.stderr
    assert b"cannot be read: No such file or directory" in child.stderr
