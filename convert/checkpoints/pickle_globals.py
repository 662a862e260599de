"""The globals that a pickle may name, and what our own functions, which stand in for them, may make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Reducer = Callable[[tuple[Any, ...]], Any]


@dataclass(frozen=True)
class Global:
    """A name that the stream asks for and the table has.

    Attributes:
        module: as in the stream.
        name: as in the stream.
        reduce: called with the argument tuple where the stream calls the global; None where it may not be called.
    """

    module: str
    name: str
    reduce: Reducer | None = None


Globals = Mapping[tuple[str, str], Global]


def table_of(rows: Iterable[Global]) -> Globals:
    """The globals by (module, name), as a stream names them."""
    return {(row.module, row.name): row for row in rows}


class Inert:
    """Stands where a file has an object that no state dict needs: it holds nothing and does nothing."""


@dataclass
class Built:
    """What a reducer returns when the stream completes the object with a state afterwards (BUILD)."""

    set_state: Callable[[Any], None]
