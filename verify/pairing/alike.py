"""Whether two layers' outputs are the same, whatever their layout, and where one has its activation inside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array
from verify.gates.compare import Comparison, compare, size_of
from verify.pairing.activations import FUNCTIONS
from verify.pairing.flow import forms_of

SAMPLE = 4096  # values by which most functions are ruled out
ACTIVATIONS = [function for name, function in FUNCTIONS.items() if name != "nothing"]


@dataclass(frozen=True)
class Likeness:
    """How far a layer's output is from its counterpart's.

    Attributes:
        comparison: of the two; infinite where no layout makes them comparable.
        replacement: the counterpart's output as this layer would give it; None where it would not give that.
    """

    comparison: Comparison
    replacement: Array | None = None


def liken(expected: Array, actual: Array, limit: float) -> Likeness:
    """Compares PyTorch's output with Paddle's.

    One may be the other's after an activation, which timm's norms and Paddle's old ones can have inside; then nothing
    is said against the layer, for what follows gets the same or departs itself.
    """
    forms = list(forms_of(expected, actual.shape))
    if not forms or not actual.size:
        return Likeness(Comparison(math.inf, math.inf, ()))
    compared = [(compare(form, actual), form) for form in forms]
    nearest, form = min(compared, key=lambda pair: size_of(pair[0].max_rel))
    if nearest.max_rel <= limit:
        return Likeness(nearest, form)
    for form in forms:
        for function in ACTIVATIONS:
            if (activated := _activated(form, actual, function, limit)) is not None:
                return Likeness(activated)
    return Likeness(nearest, form)


def _activated(expected: Array, actual: Array, function: Callable[[Array], Array], limit: float) -> Comparison | None:
    for before, after in ((expected, actual), (actual, expected)):
        few, wanted = before.reshape(-1)[:SAMPLE].astype(np.float64), after.reshape(-1)[:SAMPLE]
        if compare(wanted, function(few)).max_rel <= limit:
            comparison = compare(after, function(before.astype(np.float64)))
            if comparison.max_rel <= limit:
                return comparison
    return None
