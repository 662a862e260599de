"""A process that answers messages. It ends with its owner, however that ends."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from convert.errors import FerryError
from verify.workers.held import HeldFile, send_files
from verify.workers.messages import Failed

Handlers = Mapping[type, Callable[[Any], Any]]


class Child:
    """A process of its own at the other end of a pipe. Use as a context manager; leaving ends the process.

    Args:
        name: for messages: "torch worker".
        target: what it runs, `target(connection, *arguments)`; importable by its name.
        arguments: that can be pickled.
        hint: what may help where the system ended it.
    """

    def __init__(self, name: str, target: Callable[..., None], *arguments: Any, hint: str = "") -> None:
        self.name = name
        self.hint = hint
        context = multiprocessing.get_context("spawn")  # a fork would carry the parent's threads' locks along
        self.connection, child_end = context.Pipe()
        self.process = context.Process(target=target, args=(child_end, *arguments), daemon=True)
        with _ignore_interrupts():
            self.process.start()
        child_end.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()  # the child's loop ends with it
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def call(self, message: Any) -> Any:
        """The answer to a message; a FerryError of the child is raised here."""
        self.send(message)
        return self.receive()

    def send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except BrokenPipeError:
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
        except (EOFError, ConnectionResetError):
            self._died()
        if isinstance(answer, Failed):
            raise FerryError(answer.text)
        return answer

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
                reply = handlers[type(message)](message)
            except FerryError as error:
                reply = Failed(str(error))
            connection.send(reply)


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Has what starts within ignore Ctrl-C, which is the parent's to handle; it ends the children."""
    if threading.current_thread() is not threading.main_thread():  # elsewhere signals cannot be set
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
