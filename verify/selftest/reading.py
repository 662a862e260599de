"""How far a gate that failed stood from its limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

from verify.gate import Gate
from verify.gates.paired import NAME as ACCURACY_NAME
from verify.gates.parity import FLOAT32_NAME, FLOAT64_NAME
from verify.gates.preprocessing import NAME as PREPROCESSING_NAME
from verify.gates.published import NAME as PUBLISHED_NAME
from verify.limits import FLOAT32_MAX_ABS, FLOAT64_MAX_REL, OWN_ERROR_FACTOR, PIXEL_LEVELS


@dataclass(frozen=True)
class Reading:
    """A measurement beside its limit.

    Attributes:
        text: "max rel 3.1e-06, limit 1e-09".
        times: how many times the limit it is; NaN for what is not a number; None where the limit is none at all.
    """

    text: str
    times: float | None

    @property
    def shown(self) -> str:
        """The text with the factor for people: "max rel 3.1e-06, limit 1e-09: 3,100 x"."""
        return self.text if self.times is None else f"{self.text}: {factor(self.times)}"


def factor(times: float) -> str:
    """ "3,100 x", in two digits."""
    if not math.isfinite(times):
        return "not a number" if math.isnan(times) else "without end"
    return f"{float(f'{times:.2g}'):,.10g} x"


def reading(gate: Gate) -> Reading:
    """What a gate measured, its limit, and how many times that is."""
    values = {key: math.nan if value is None else value for key, value in gate.values}
    if gate.name == FLOAT64_NAME:
        return _reading_of("max rel", cast("float", values["max_rel"]), FLOAT64_MAX_REL)
    if gate.name == FLOAT32_NAME:
        limit = min(FLOAT32_MAX_ABS, OWN_ERROR_FACTOR * cast("float", values["own_error"]))
        return _reading_of("max abs", cast("float", values["max_abs"]), limit)
    if gate.name == PREPROCESSING_NAME:
        levels = cast("float", values["levels"])
        return Reading(f"{levels:.0f} grey levels, limit {PIXEL_LEVELS}", levels / PIXEL_LEVELS)
    if gate.name == ACCURACY_NAME and not _is_within_limit(values["max_abs"]):
        return _reading_of("logits differ by", cast("float", values["max_abs"]), FLOAT32_MAX_ABS)
    if gate.name == PUBLISHED_NAME:
        return _published_reading(cast("float", values["torch_difference"]), cast("float", values["tolerance"]))
    return Reading(_first_problem(gate.problems), None)


def _reading_of(what: str, measured: float, limit: float) -> Reading:
    return Reading(f"{what} {measured:.1e}, limit {limit:.1e}", measured / limit)


def _is_within_limit(value: float | int | str) -> bool:
    return cast("float", value) <= FLOAT32_MAX_ABS


def _published_reading(off: float, tolerance: float) -> Reading:
    return Reading(f"top-1 off by {abs(off):.2f} points, limit {tolerance:.2f}", abs(off) / tolerance)


def _first_problem(problems: tuple[str, ...]) -> str:
    more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
    return " ".join(problems[0].split()) + more
