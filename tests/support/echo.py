"""A process that answers with what it is sent. It loads quickly, for whoever starts it imports nothing else."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

from verify.workers.child import Child, answer

HINT = "a smaller batch helps"


class Echo(Child):
    """A process that answers a text with the text, bytes with their number, and "exhaust" with a MemoryError."""

    def __init__(self) -> None:
        super().__init__("echo", serve, hint=HINT)

    def __enter__(self) -> Echo:
        return self


def serve(connection: Connection) -> None:
    answer(connection, {str: reply, bytes: len})


def reply(text: str) -> Any:
    if text == "exhaust":
        raise MemoryError
    return text
