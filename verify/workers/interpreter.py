"""A child process that another Python interpreter runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from convert.errors import FerryError
from verify.workers import boot

FLAG = "--python"


class Interpreter:
    """A process of another interpreter, with what a `multiprocessing.Process` offers.

    Args:
        python: the interpreter's path.
        target: what it runs, `target(connection, *arguments)`; importable by its name.
        arguments: that can be pickled.
        ends: of the pipe: the parent's, and the child's, which the child inherits.

    Raises:
        FerryError: there is no such program.
    """

    def __init__(
        self, python: str, target: Callable[..., None], arguments: tuple[Any, ...], ends: tuple[Connection, Connection]
    ) -> None:
        self.ends = ends
        self.first = (target, arguments)
        self.command = [python, boot.__file__, str(ends[1].fileno())]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ours, theirs = self.ends
        variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # another version's files have no place beside ours
        try:
            self.process = subprocess.Popen(  # noqa: S603 - the interpreter that the command line names
                self.command, pass_fds=[theirs.fileno()], env=variables, stdin=subprocess.DEVNULL
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise FerryError(
                f"{FLAG}: {self.command[0]} cannot be run: {error.strerror}; give the path of a Python interpreter"
            ) from error
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended; whoever waits for its answer is told
            ours.send(self.first)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def exitcode(self) -> int | None:
        return self.process.poll() if self.process else None

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def join(self, timeout: float | None = None) -> None:
        if self.process:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
