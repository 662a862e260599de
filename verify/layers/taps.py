"""Where both models are tapped, to compare what passes."""

from __future__ import annotations

from convert.archs.spec import ArchSpec
from verify.reference.families import units_of
from verify.workers.messages import Tap


def taps(spec: ArchSpec) -> tuple[Tap, ...]:
    """Where both models are tapped. The answer of the whole model is the last unit and needs no tap."""
    tapped = units_of(spec)[:-1]
    return tuple(Tap(unit.name, unit.before or unit.name, before=bool(unit.before)) for unit in tapped)
