"""Processes that are stopped, signalled or cannot be started: the parent says so, and none is left."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from typing import Any

import pytest
from echo import HINT, Echo
from made_up_images import write_images
from waiting import at_most

from convert.endings import terminable
from convert.errors import FerryError
from verify.datasets import read_dataset
from verify.recipes.protocol import Protocol
from verify.workers import child
from verify.workers.batches import SharedBatch
from verify.workers.decoders import Decoders

PATIENCE = 4.0  # seconds, in which a process starts on a machine that has much else to do


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PATIENCE", PATIENCE)


def silence(name: str, pid: int | None, hint: str) -> str:
    return (
        f"the {name} (process {pid}) gave no answer for {PATIENCE / 60:g} minutes and was ended; "
        f"it may have been stopped, or wait for a disk or a GPU that hangs. Where it was only slow, {hint}"
    )


def started_since(before: set[multiprocessing.process.BaseProcess]) -> set[multiprocessing.process.BaseProcess]:
    """The processes of this one that run now and did not then."""
    return set(multiprocessing.active_children()) - before


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("message", ["hello", b"x" * 10_000_000], ids=["that waits", "that cannot be sent"])
def test_a_stopped_process_is_ended_and_named_and_not_waited_for_again(message: Any) -> None:
    with at_most(40), Echo() as echo:
        assert echo.call("ready") == "ready"
        assert echo.process.pid is not None
        os.kill(echo.process.pid, signal.SIGSTOP)
        with pytest.raises(FerryError) as caught:
            echo.call(message)
        with pytest.raises(FerryError) as again:
            echo.call("once more")

    assert str(caught.value) == silence("echo", echo.process.pid, HINT)
    assert str(again.value).startswith("the echo was ended by SIGKILL")
    assert echo.process.exitcode == -signal.SIGKILL


@pytest.mark.usefixtures("_impatient")
def test_a_stopped_decoder_ends_the_run_and_is_named(tmp_path: Any) -> None:
    dataset = read_dataset(write_images(tmp_path / "val", count=20), 10)
    protocol = Protocol(size=32)
    before = set(multiprocessing.active_children())  # the session's workers
    with at_most(60), SharedBatch(20 * 3 * 32 * 32 * 4) as shared, pytest.raises(FerryError, match="the decoder"):
        decode_with_one_stopped(dataset.items, protocol, shared)

    assert started_since(before) == set()


def decode_with_one_stopped(items: Any, protocol: Protocol, shared: SharedBatch) -> None:
    ref = shared.ref((20, 3, 32, 32), "float32")
    before = set(multiprocessing.active_children())
    with Decoders(2, protocol) as decoders:
        assert len([piece.result() for piece in decoders.decode(items, ref)]) == 5
        first = min(process.pid or 0 for process in started_since(before))
        os.kill(first, signal.SIGSTOP)
        for piece in decoders.decode(items, ref):
            piece.result()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_is_the_parent_s_alone_to_answer(number: signal.Signals) -> None:
    with Echo() as echo:
        assert echo.process.pid is not None
        os.kill(echo.process.pid, number)  # while its interpreter still starts
        assert echo.call("ready") == "ready"
        os.kill(echo.process.pid, number)

        assert echo.call("still there") == "still there"

    assert echo.process.exitcode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_a_process_starts_is_not_lost(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = multiprocessing.get_context("spawn").Process.start

    def start_and_signal(process: Any) -> None:
        start(process)
        signal.raise_signal(number)

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", start_and_signal)
    before = set(multiprocessing.active_children())

    with pytest.raises(KeyboardInterrupt), terminable():
        Echo()

    for process in started_since(before):
        process.join(timeout=20)  # its owner is gone, and so is its pipe
    assert started_since(before) == set()


def test_a_process_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", fail)

    with pytest.raises(FerryError) as caught:
        Echo()

    assert str(caught.value) == (
        f"the echo cannot be started: {os.strerror(errno.EAGAIN)}; ulimit -u or -v, or a container's limit, "
        "may be too low"
    )


def test_memory_that_lacks_in_a_process_is_the_parent_s_error_and_the_process_goes_on() -> None:
    with Echo() as echo:
        with pytest.raises(FerryError, match="there is not enough memory; ulimit -v"):
            echo.call("exhaust")

        assert echo.call("still there") == "still there"
