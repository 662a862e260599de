"""What the commands share at a terminal: types of arguments, tables, and printing that can be piped."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from convert.errors import FerryError

MAX_DIGITS = 9


def positive(text: str) -> int:
    """A whole number above 0; argparse tells the user what is wrong with another text."""
    if not text.isascii() or not text.isdigit() or not text.strip("0"):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    if len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"{text[:20]} is too large: {MAX_DIGITS} digits are the limit")
    return int(text)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, the cells of a column one below the other and two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


class OutputError(FerryError):
    """Standard output cannot take the result; what was done before is done."""


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
