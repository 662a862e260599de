"""How far a gate that failed stood from its limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from verify.gate import Gate, Measure
from verify.gates.compare import size_of


@dataclass(frozen=True)
class Reading:
    """A measurement beside its limit.

    Attributes:
        text: "max rel 3.1e-06, limit 1.0e-09".
        times: how many times the limit it is; NaN for what is not a number; None where the limit is none at all.
    """

    text: str
    times: float | None

    @property
    def shown(self) -> str:
        """The text with the factor for people: "max rel 3.1e-06, limit 1.0e-09: 3,100 x"."""
        return self.text if self.times is None else f"{self.text}: {factor(self.times)}"


def factor(times: float) -> str:
    """ "3,100 x", in two digits."""
    if not math.isfinite(times):
        return "not a number" if math.isnan(times) else "without end"
    return f"{float(f'{times:.2g}'):,.10g} x"


def reading(gate: Gate) -> Reading:
    """The measure that is furthest over its limit; the first problem where no limit has a multiple."""
    over = [measure for measure in gate.measures if not measure.holds]
    multiples = [measure for measure in over if measure.limit]  # a multiple of 0 says nothing
    if multiples:
        return _reading_of(max(multiples, key=lambda measure: size_of(_times(measure))))
    if gate.problems:
        return Reading(_first_problem(gate.problems), None)
    return _reading_of(over[0]) if over else Reading(gate.outcome, None)


def _reading_of(measure: Measure) -> Reading:
    limit = "" if measure.limit is None else f", limit {_number(measure.limit)}"
    return Reading(f"{measure.name} {_number(measure.value)}{limit}", _times(measure))


def _number(value: float) -> str:
    return f"{value:.1e}" if 0 < value < 0.01 else f"{value:.3g}"


def _times(measure: Measure) -> float:
    if not measure.limit:
        return math.inf
    return measure.value / measure.limit


def _first_problem(problems: tuple[str, ...]) -> str:
    more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
    return " ".join(problems[0].split()) + more
