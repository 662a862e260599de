"""In what way a tensor that a model holds is not the one that it should hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from convert.arrays import Array
from convert.errors import counted
from verify.reference.steps import Weights

SHOWN = 3  # tensors; the structure gate names every one


def tensor_faults(source: Weights, target: Weights, *, units: Mapping[str, str]) -> list[str]:
    """What is wrong with the tensors of one unit, a line each.

    Args:
        source: every official name to the right tensor.
        target: the unit's official names to what the model holds, in the same layout and shape.
        units: every official name to the name of its unit.
    """
    wrong = [name for name in target if not np.array_equal(source[name], target[name])]
    twins = {name: _twin(source, target[name]) for name in wrong}
    owners = {units[twin] if twin else "" for twin in twins.values()}
    if len(wrong) == len(target) > 1 and len(owners) == 1 and "" not in owners:
        return [f"{units[wrong[0]]} holds the tensors of {owners.pop()}"]
    lines = [f"{name} {_fault(source[name], target[name], twins[name])}" for name in wrong]
    hidden = len(lines) - SHOWN
    more = [f"and {counted(hidden, 'more tensor')}"] if hidden > 0 else []
    return lines[:SHOWN] + more


def _twin(source: Weights, held: Array) -> str:
    """The name of the right tensor that equals it, if one does."""
    return next((name for name, other in source.items() if np.array_equal(other, held)), "")


def _fault(wanted: Array, held: Array, twin: str) -> str:
    if held.size > 1 and (held == held.flat[0]).all():
        return f"is {held.flat[0]:.6g} throughout"
    for text, array in _changes(wanted):
        if np.array_equal(array, held):
            return text
    if twin:
        return f"holds {twin}"
    return f"differs in {np.count_nonzero(wanted != held):,} of {wanted.size:,} values"


def _changes(wanted: Array) -> Iterator[tuple[str, Array]]:
    if wanted.ndim == 2:
        if wanted.shape[0] == wanted.shape[1]:
            yield "is transposed", wanted.T
        yield "was reshaped in place of transposed", wanted.reshape(wanted.shape[::-1]).T
    if wanted.ndim == 4:
        yield "is flipped in height and width", wanted[:, :, ::-1, ::-1]
        yield "has height and width exchanged", wanted.transpose(0, 1, 3, 2)
        yield "has its input channels reversed", wanted[:, ::-1]
    yield "has the other sign", -wanted
    with np.errstate(over="ignore"):
        yield "is rounded to float16", wanted.astype(np.float16)
