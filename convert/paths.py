"""Paths as callers write them: text, or any path object. What they are handed on as is a `Path`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, overload

from convert.errors import FerryError

AnyPath = str | os.PathLike[str]

NO_PATH = "has a character that no path can have; check the path"


def is_possible(path: AnyPath) -> bool:
    """Whether there can be such a path: one with a NUL, or with half of a surrogate pair, the system does not take."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def status_of(path: Path) -> os.stat_result | None:
    """What stands at a path, links followed; None where nothing does.

    Raises:
        FerryError: it cannot be looked at, as where a name is too long or a folder may not be entered; or no path can
            be so.
    """
    if not is_possible(path):
        raise FerryError(f"{path}: {NO_PATH}")
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FerryError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from error


def make_folders(path: Path) -> None:
    """Makes a folder, and those that it is to lie in, where they are not there; of any depth.

    Raises:
        OSError: one cannot be made.
    """
    missing = [path]
    while missing:
        try:
            missing[-1].mkdir(exist_ok=True)
        except FileNotFoundError:
            if missing[-1].parent == missing[-1]:
                raise
            missing.append(missing[-1].parent)
        else:
            missing.pop()


class PathField:
    """A field of a dataclass that is given any path and read as a `Path`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Any: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Path: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:  # the dataclass asks for a default, and there is none
            raise AttributeError(self.name)
        return vars(instance)[self.name]

    def __set__(self, instance: object, value: AnyPath) -> None:
        vars(instance)[self.name] = Path(value)


class OptionalPathField:
    """A field of a dataclass that is given any path, or None by default, and read as a `Path` or None."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> None: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Path | None: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        return None if instance is None else vars(instance)[self.name]

    def __set__(self, instance: object, value: AnyPath | None) -> None:
        vars(instance)[self.name] = None if value is None else Path(value)
