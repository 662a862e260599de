"""Small text files: lists of labels, names and indices."""

from __future__ import annotations

from pathlib import Path

from convert.paths import NO_PATH, is_possible
from convert.regular import open_regular
from verify.datasets.items import DatasetError

MAX_DIGITS = 9  # of a label or an index
MAX_TEXT = 64 << 20  # bytes; a list of 50,000 images has 2 MB


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, without the white space around them; blank ones too, so that numbers fit.

    Raises:
        DatasetError: no such file, no UTF-8, or far too long.
    """
    if not is_possible(path):
        raise DatasetError(f"{path}: {NO_PATH}")
    try:
        with open_regular(path) as file:
            content = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    return lines_of(str(path), content)


def lines_of(where: str, content: bytes) -> list[str]:
    """The lines of UTF-8 bytes that were read already, without the white space around them.

    Raises:
        DatasetError: no UTF-8, or far too long.
    """
    if len(content) > MAX_TEXT:
        raise DatasetError(f"{where}: has more than {MAX_TEXT:,} bytes, which no list of labels has")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: is not UTF-8 text (byte {error.start}); save it as such") from error
    return [line.strip() for line in text.split("\n")]


def number_of(text: str) -> int | None:
    """A number of decimal digits alone; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None
