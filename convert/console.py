"""What the commands share at a terminal: types of arguments, and printing that can be piped and fails on no name."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys

from convert.errors import FerryError

MAX_DIGITS = 9


def positive(text: str) -> int:
    """A whole number above 0; argparse tells the user what is wrong with another text."""
    if not text.isascii() or not text.isdigit() or not text.strip("0"):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    if len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"{text[:20]} is too large: {MAX_DIGITS} digits are the limit")
    return int(text)


class OutputError(FerryError):
    """Standard output cannot take the result; what was done before is done."""


def settle_streams() -> None:
    """Has both streams escape what their encoding lacks: no name is a reason to fail when the work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_error(text: str) -> None:
    """Writes a line to stderr; where nobody is there any more to read it, that is all right."""
    with contextlib.suppress(OSError, ValueError):  # a terminal that has gone; a stream that was closed
        print(text, file=sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Writes a result to stdout now. A reader that has gone away (`| head`) is no error.

    Raises:
        OutputError: stdout cannot take it, as on a full disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes stdout once more on its way out, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from error
