"""Printing results so that they can be piped."""

from __future__ import annotations

import os
import sys

from convert.errors import FerryError


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
