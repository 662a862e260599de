"""Comparing two arrays, and what a gate says."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array


@dataclass(frozen=True)
class Comparison:
    """How far one framework's numbers stand from the other's.

    Attributes:
        max_abs: the largest absolute difference; NaN if either side has a NaN.
        max_rel: max_abs over the largest absolute expected value.
        worst: index of max_abs.
    """

    max_abs: float
    max_rel: float
    worst: tuple[int, ...]


def compare(expected: Array, actual: Array) -> Comparison:
    """Compares arrays of one shape; a ValueError if the shapes differ or there is nothing to compare."""
    if expected.shape != actual.shape or not expected.size:
        raise ValueError(f"cannot compare shapes {expected.shape} and {actual.shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(expected.astype(np.float64) - actual.astype(np.float64))
        flat = int(np.argmax(difference))  # of the first NaN, where there is one
        worst = tuple(int(i) for i in np.unravel_index(flat, expected.shape))
        max_abs = float(difference[worst])
        scale = float(np.max(np.abs(expected)))
    return Comparison(max_abs, max_abs / scale if scale else (0.0 if max_abs == 0 else np.inf), worst)


class Verdict(enum.Enum):
    PASSED = "passed"
    FAILED = "FAILED"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Gate:
    """One condition on the pair of checkpoints, its limit inside.

    Attributes:
        name: as in the README's table.
        verdict: a gate that did not run is never a gate that passed.
        measured: what was found, for people.
        limit: what it must hold to.
        problems: what is wrong, a line each.
        values: the numbers behind `measured`, by name.
    """

    name: str
    verdict: Verdict
    measured: str
    limit: str
    problems: tuple[str, ...] = ()
    values: tuple[tuple[str, float | int | str | None], ...] = ()


def gate(
    name: str,
    holds: bool,
    measured: str,
    limit: str,
    *,
    problems: tuple[str, ...] = (),
    **values: float | int | str | None,
) -> Gate:
    """A gate that ran."""
    return Gate(name, Verdict.PASSED if holds else Verdict.FAILED, measured, limit, problems, tuple(values.items()))


def not_run(name: str, why: str, limit: str) -> Gate:
    """A gate that did not run, and why."""
    return Gate(name, Verdict.NOT_RUN, why, limit)
