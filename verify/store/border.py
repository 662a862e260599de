"""The border of the run store: whatever SQLite or a forged file brings about, a `StoreError` comes out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convert.errors import FerryError, shown

SHOWN = 300  # characters of what is wrong with a store
ANEW = "run it anew into another --report folder"
UNTOUCHED = "another --report folder gets a new one"

# What SQLite's module raises, and what reading values by their types does where these are others than were written.
FAULTS = (
    sqlite3.Error,
    sqlite3.Warning,
    ValueError,
    TypeError,
    KeyError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


class StoreError(FerryError):
    """A file that is no run store, or one that does not belong to the run."""


@contextmanager
def opening(path: Path | None) -> Iterator[None]:
    """Turns what opening a store raises."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror or error}") from error
    except sqlite3.OperationalError as error:
        why = "another process is using it; wait for it, or take another --report folder"
        raise StoreError(f"{path}: cannot be opened: {why if is_locked(error) else shown(error, SHOWN)}") from error
    except FAULTS as error:
        raise StoreError(f"{path}: is no run store: {_words(error)}; {UNTOUCHED}") from error


@contextmanager
def reading(path: Path | None) -> Iterator[None]:
    """Turns what reading a store raises."""
    try:
        yield
    except StoreError:
        raise
    except FAULTS as error:
        if is_locked(error):
            raise StoreError(f"{path}: cannot be read: another process is writing to it; try again") from error
        raise StoreError(f"{path}: is a damaged run store: {_words(error)}; {ANEW}") from error


@contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """Turns what writing to a store raises."""
    try:
        yield
    except FAULTS as error:
        raise StoreError(f"{path}: cannot be written: {_words(error)}") from error


def is_locked(error: BaseException) -> bool:
    """Whether SQLite could not get at a file because another connection holds it."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    return shown(error, SHOWN)
