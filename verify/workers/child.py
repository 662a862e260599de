"""A process that answers messages. It ends with its owner, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType
from typing import Any, NoReturn

from convert.endings import TERMINATIONS, shortages
from convert.errors import FerryError
from verify.workers.held import HeldFile, send_files
from verify.workers.interpreter import Interpreter
from verify.workers.messages import Failed

Handlers = Mapping[type, Callable[[Any], Any]]

# Seconds in which a process must take a message or answer one. The slowest honest answer: 32 images of 384 pixels
# through convnext_xlarge take 20 minutes at 10 GFLOP/s, which is one old core.
PATIENCE = 3600.0


class Child:
    """A process of its own at the other end of a pipe. Use as a context manager; leaving ends the process.

    Args:
        name: for messages: "torch worker".
        target: what it runs, `target(connection, *arguments)`; importable by its name.
        arguments: that can be pickled.
        hint: what may help where the system ended it.
        python: the interpreter that runs it; "" for the parent's.
    """

    def __init__(
        self, name: str, target: Callable[..., None], *arguments: Any, hint: str = "", python: str = ""
    ) -> None:
        self.name = name
        self.hint = hint
        context = multiprocessing.get_context("spawn")  # a fork would carry the parent's threads' locks along
        self.connection, child_end = context.Pipe()
        self.process: BaseProcess | Interpreter = (
            Interpreter(python, target, arguments, (self.connection, child_end))
            if python
            else context.Process(target=target, args=(child_end, *arguments), daemon=True)
        )
        _limit_waiting(self.connection, PATIENCE)
        try:
            with _hold_signals():
                self.process.start()
        except OSError as error:
            raise FerryError(
                f"the {name} cannot be started: {error.strerror or error}; ulimit -u or -v, or a container's limit, "
                "may be too low"
            ) from error
        finally:
            child_end.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()  # the child's loop ends with it
        self.process.join(timeout=0.2 if kind else 5)  # after an error nothing of it is wanted any more
        self.kill()
        self.process.join()

    def kill(self) -> None:
        """Ends the process, whatever it is doing, if it has not ended."""
        if self.process.is_alive():
            self.process.kill()

    def call(self, message: Any) -> Any:
        """The answer to a message; a FerryError of the child is raised here."""
        self.send(message)
        return self.receive()

    def send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except BlockingIOError as error:
            self._is_silent(error)
        except (BrokenPipeError, ConnectionResetError):
            self._died()

    def give(self, files: Sequence[HeldFile]) -> None:
        """Gives the child the memory of the files that the message before has announced."""
        try:
            send_files(self.connection, files, self.process.pid or 0)
        except (BrokenPipeError, ConnectionResetError):
            self._died()

    def receive(self) -> Any:
        try:
            answer = self.connection.recv()
        except BlockingIOError as error:
            self._is_silent(error)
        except (EOFError, ConnectionResetError):
            self._died()
        if isinstance(answer, Failed):
            raise FerryError(*answer.text.split("\n"))
        return answer

    def _is_silent(self, error: BlockingIOError) -> NoReturn:
        self.kill()
        raise FerryError(
            f"the {self.name} (process {self.process.pid}) gave no answer for {PATIENCE / 60:g} minutes and was ended; "
            f"it may have been stopped, or wait for a disk or a GPU that hangs. Where it was only slow, {self.hint}"
        ) from error

    def _died(self) -> None:
        self.process.join(timeout=5)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            raise FerryError(f"the {self.name} was ended by {name}; where the system was short of memory, {self.hint}")
        raise RuntimeError(f"the {self.name} ended with status {code}; its traceback stands above")


def answer(connection: Connection, handlers: Handlers) -> None:
    """Answers messages by their type until the owner is done, or gone."""
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):
        while True:
            message = connection.recv()
            try:
                with shortages():
                    reply = handlers[type(message)](message)
            except FerryError as error:
                reply = Failed(str(error))
            connection.send(reply)


def _limit_waiting(connection: Connection, seconds: float) -> None:
    """Has the connection raise BlockingIOError where the other end neither reads nor writes for so long."""
    whole = int(seconds)
    limit = struct.pack("ll", whole, int((seconds - whole) * 1e6))
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, limit)


@contextmanager
def _hold_signals() -> Iterator[None]:
    """Has what starts within never see Ctrl-C or a termination, which are the parent's to handle; it ends the children.

    To the parent they come when the start is complete: in the midst of one they would leave half of a process.
    """
    numbers = {signal.SIGINT, *TERMINATIONS}
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    resource_tracker.ensure_running()  # as it starts it would let the signals through again
    is_main = threading.current_thread() is threading.main_thread()  # elsewhere handlers cannot be set
    handlers = {number: signal.signal(number, note) for number in numbers} if is_main else {}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # which a process hands on to those that it starts
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    for number in came:
        signal.raise_signal(number)
