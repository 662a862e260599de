"""What a gate says: one condition on the pair of checkpoints, and whether it holds."""

from __future__ import annotations

import enum
from dataclasses import dataclass


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
