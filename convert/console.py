"""What the commands share at a terminal: types of arguments, tables, and printing that fails on no name and no pipe."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from convert.errors import FerryError
from convert.visible import printable, visible

MAX_DIGITS = 9

# What makes a line a command to GitHub's runner, to Azure's and to TeamCity, wherever a name has brought it there.
COMMAND = re.compile(r"^[ ]*:(?=:)|##(?=\w*\[)", re.MULTILINE)


def positive(text: str) -> int:
    """A whole number above 0; argparse tells the user what is wrong with another text."""
    if not text.isascii() or not text.isdigit() or not text.strip("0"):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    if len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"{text[:20]} is too large: {MAX_DIGITS} digits are the limit")
    return int(text)


def not_negative(text: str) -> int:
    """A whole number, 0 or above; argparse tells the user what is wrong with another text."""
    if text.isascii() and text.isdigit() and not text.strip("0"):
        return 0
    try:
        return positive(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(str(error).replace("above 0", "of 0 or above")) from error


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, the cells of a column one below the other and two blanks apart."""
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def json_text(document: object) -> str:
    """A document of plain values as JSON that every reader takes: NaN and infinity are null.

    What is no Unicode, as the name of a file can be, stands by its escapes.
    """
    text = json.dumps(_plain(document), indent=2, allow_nan=False)
    return text.replace("##", "#\\u0023")  # or `COMMAND` would be found in it, and its mending is no JSON


class Parser(argparse.ArgumentParser):
    """A parser whose errors repeat what was typed as it may be printed."""

    def error(self, message: str) -> NoReturn:
        super().error(_for_terminal(visible(message)))


class OutputError(FerryError):
    """Standard output cannot take the result; what was done before is done."""


def settle_streams() -> None:
    """Has both streams escape what their encoding lacks: no name is a reason to fail when the work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_result(text: str) -> None:
    """Writes a result to stdout now. A reader that has gone away (`| head`) is no error.

    Raises:
        OutputError: stdout cannot take it, as on a full disk.
    """
    try:
        print(_for_terminal(text), flush=True)
    except BrokenPipeError:
        # Python flushes stdout once more on its way out, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from error


def print_message(text: str) -> None:
    """Writes an error, or a word on what is going on, to stderr; where nobody reads it any more, that is all right."""
    with contextlib.suppress(OSError, ValueError):  # a terminal that has gone; a stream that was closed
        print(_for_terminal(text), file=sys.stderr, flush=True)


def _for_terminal(text: str) -> str:
    return COMMAND.sub(r"\g<0>\\", printable(text))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
