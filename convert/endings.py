"""How a command ends before its work is done: by Ctrl-C, by who runs the machine, or by a limit that is too small."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

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


@dataclass
class _Asked:
    """Who asked this process to end, and when; what asks first is kept until the command has ended."""

    error: KeyboardInterrupt | None = None
    at: float = 0.0


_asked = _Asked()


@contextmanager
def terminable() -> Iterator[None]:
    """Has the signals that ask a program to end raise `Terminated`, and Ctrl-C raise KeyboardInterrupt as ever.

    One that somebody ignores (nohup) stays ignored, and one that somebody else handles stays theirs.
    """
    if threading.current_thread() is not threading.main_thread():  # elsewhere signals cannot be set
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *TERMINATIONS)}
    ours = {number: handler for number, handler in handlers.items() if _is_untouched(handler)}
    for number in ours:
        signal.signal(number, _ask)
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if ours:
            _asked.error = None


def _is_untouched(handler: object) -> bool:
    """Whether a signal's handler is the one that Python starts with."""
    return handler in (signal.SIG_DFL, signal.default_int_handler)


def _ask(number: int, _: FrameType | None) -> None:
    again = _asked.error is not None and time.monotonic() - _asked.at < GRACE
    if again and number != signal.SIGINT:
        return
    _asked.error = KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
    _asked.at = time.monotonic()
    raise _asked.error


def word_of(error: KeyboardInterrupt) -> str:
    """ "interrupted" by Ctrl-C, or "terminated" by another signal."""
    return "terminated" if _termination(error) else "interrupted"


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status that shells give a command that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
    terminated = _termination(error)
    return 128 + (terminated.number if terminated else signal.SIGINT)


@contextmanager
def shortages() -> Iterator[None]:
    """Turns what the system's limits bring about into a FerryError that names the limit.

    What a library makes of being asked to end becomes that again: numpy, for one, an ImportError.
    """
    try:
        yield
    except FerryError:
        raise
    except Exception as error:
        if _asked.error:
            raise _asked.error from None
        _tell_shortage(error)
        raise


def _tell_shortage(error: Exception) -> None:
    text = str(error)
    if isinstance(error, MemoryError):
        what, limit = "there is not enough memory", "ulimit -v"
    elif isinstance(error, RuntimeError) and text == NO_THREAD:
        what, limit = "no further thread can be started", "ulimit -u or -v"
    elif isinstance(error, ImportError) and any(words in text for words in NO_LIBRARY):
        what, limit = "there is not enough memory to load a library", "ulimit -v"
    else:
        return
    raise FerryError(f"{what}; {limit}, or a container's limit, may be too low") from error


def _termination(error: BaseException) -> Terminated | None:
    if isinstance(error, Terminated):
        return error
    return _termination(error.__cause__) if error.__cause__ else None
