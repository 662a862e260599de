"""How a command ends before its work is done: by Ctrl-C, by who runs the machine, or by a limit that is too small."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from convert.errors import FerryError

# Schedulers and containers send the first, a terminal that goes away the second.
TERMINATIONS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACE = 5.0  # seconds in which a second signal does not cut short what the first one began

NO_THREAD = "can't start new thread"  # Python's own words
NO_LIBRARY = ("failed to map segment", "Cannot allocate memory", "cannot allocate memory")  # the loader's


class Terminated(KeyboardInterrupt):
    """A signal that asks the program to end; it ends as on Ctrl-C.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__()


@contextmanager
def terminable() -> Iterator[None]:
    """Has the signals that ask a program to end raise `Terminated`. One that somebody ignores (nohup) stays ignored."""
    if threading.current_thread() is not threading.main_thread():  # elsewhere signals cannot be set
        yield
        return
    first = 0.0

    def terminate(number: int, _: FrameType | None) -> None:
        nonlocal first
        if first and time.monotonic() - first < GRACE:
            return
        first = time.monotonic()
        raise Terminated(number)

    default = [number for number in TERMINATIONS if signal.getsignal(number) is signal.SIG_DFL]
    for number in default:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in default:
            signal.signal(number, signal.SIG_DFL)


def word_of(error: KeyboardInterrupt) -> str:
    """ "interrupted" by Ctrl-C, or "terminated" by another signal."""
    return "terminated" if _termination(error) else "interrupted"


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status that shells give a command that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
    terminated = _termination(error)
    return 128 + (terminated.number if terminated else signal.SIGINT)


@contextmanager
def shortages() -> Iterator[None]:
    """Turns what the system's limits bring about into a FerryError that names the limit."""
    try:
        yield
    except MemoryError as error:
        _refuse("there is not enough memory", "ulimit -v, or a container's limit, may be too low", error)
    except RuntimeError as error:
        if str(error) != NO_THREAD:
            raise
        _refuse("no further thread can be started", "ulimit -u or -v, or a container's limit, may be too low", error)
    except ImportError as error:
        if not any(words in str(error) for words in NO_LIBRARY):
            raise
        name = error.name or "a library"
        _refuse(f"there is not enough memory to load {name}", "ulimit -v may be too low", error)


def _refuse(what: str, cause: str, error: Exception) -> NoReturn:
    raise FerryError(f"{what}; {cause}") from error


def _termination(error: BaseException) -> Terminated | None:
    if isinstance(error, Terminated):
        return error
    return _termination(error.__cause__) if error.__cause__ else None
