"""Gates that passed or failed, for tests of what is made of them."""

from __future__ import annotations

from verify.gate import Gate, Measure


def passed(name: str, measured: str = "", limit: str = "", *measures: Measure, **details: str) -> Gate:
    """A gate that holds, by one measure under its limit where none is given."""
    return Gate(name, measured, limit, measures or (Measure("x", 0.5, 1.0),), details=tuple(details.items()))


def failed(name: str, measured: str = "", limit: str = "", problems: tuple[str, ...] = ()) -> Gate:
    """A gate that does not hold, by one measure over its limit."""
    return Gate(name, measured, limit, (Measure("x", 2.0, 1.0),), problems)
