"""Paths as callers write them: text, or any path object. What they are handed on as is a `Path`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, overload

AnyPath = str | os.PathLike[str]


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
