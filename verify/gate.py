"""What a gate says: one condition on the pair of checkpoints, and whether it holds."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

NOTE = "note"  # the detail that every form of the report shows, where a gate has it


class Verdict(enum.Enum):
    PASSED = "passed"
    FAILED = "FAILED"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Measure:
    """A number beside its limit. It holds where value <= limit, so that less is always better.

    Attributes:
        name: in words; no two measures of a gate share one.
        value: what was measured. NaN never holds.
        limit: the largest value that holds, as it was applied; None for a number that is only told.
    """

    name: str
    value: float
    limit: float | None = None

    @property
    def holds(self) -> bool:
        if self.limit is None:
            return not math.isnan(self.value)
        return self.value <= self.limit  # False for NaN on either side


@dataclass(frozen=True)
class Gate:
    """One condition on the pair of checkpoints, its limits inside.

    Attributes:
        name: as in the README's table.
        measured: what was found, for people; empty for a gate that did not run.
        limit: what it must hold to, for people.
        measures: the numbers behind `measured`, each with its limit.
        problems: what is wrong, a line each.
        details: facts that are no numbers, by name.
        reason: why it did not run; empty for a gate that ran.
    """

    name: str
    measured: str
    limit: str
    measures: tuple[Measure, ...] = ()
    problems: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """A gate that did not run is no gate that passed, and neither is one that measured nothing."""
        if self.reason:
            return Verdict.NOT_RUN
        holds = bool(self.measures) and not self.problems and all(measure.holds for measure in self.measures)
        return Verdict.PASSED if holds else Verdict.FAILED

    @property
    def note(self) -> str:
        """A fact beside the verdict, for people; "" where there is none."""
        return dict(self.details).get(NOTE, "")

    @property
    def outcome(self) -> str:
        """What was found, or why nothing was, for people."""
        return self.reason or self.measured


def not_run(name: str, reason: str, limit: str) -> Gate:
    """A gate that did not run, and why; a ValueError without a reason."""
    if not reason:
        raise ValueError(f"{name}: a gate that did not run has a reason")
    return Gate(name, "", limit, reason=reason)
