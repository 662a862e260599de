"""Where both models are tapped, to compare what passes."""

from __future__ import annotations

from convert.archs.spec import ArchSpec
from verify.reference.families import units_of
from verify.reference.unit import OUTPUT
from verify.workers.messages import Tap


def taps(spec: ArchSpec) -> tuple[Tap, ...]:
    """Where both models are tapped. The answer of the whole model is the last unit, `head`, and needs no tap."""
    tapped = (unit for unit in units_of(spec) if unit.name != OUTPUT)
    return tuple(Tap(unit.name, unit.before or unit.name, before=bool(unit.before)) for unit in tapped)
