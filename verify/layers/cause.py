"""Why a unit of Paddle's model departs from PyTorch's: each usual mistake is computed, and must give Paddle's output.

Nothing is read from the size of a difference. A mistake is named only where numpy, making it, gets what Paddle got.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, pairwise

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from verify.layers.tensor_faults import tensor_faults
from verify.reference.batch_steps import BatchNorm, Relu
from verify.reference.families import build_unit, unit_names
from verify.reference.steps import Conv, Gelu, Linear, NormStep, Pool, ResponseNorm, Step, Weights
from verify.reference.unit import Unit

# Both hold where a mistake explains an output; numpy and the frameworks agree to 1e-14 or better in float64.
REPRODUCED = 1e-9  # of the output's largest value
OF_THE_DEVIATION = 1e-3  # of the difference that is to be explained; a small one must be met the more closely

NO_MISTAKE = "no usual mistake reproduces it"
EXCHANGES = {
    (Conv, NormStep),
    (Linear, Gelu),
    (Gelu, ResponseNorm),
    (Pool, NormStep),
    (NormStep, Pool),
    (BatchNorm, Relu),
}
WITH_EPS = (NormStep, ResponseNorm, BatchNorm)
STEPS_TO_AN_EPS = 8  # of Newton's method, from ten times the right one; it takes 3 to 6


@dataclass(frozen=True)
class Observed:
    """What one unit of both models made of one batch, in float64.

    Attributes:
        name: of the unit.
        given: its input, (N, C, H, W) or (N, C).
        expected: PyTorch's output.
        actual: Paddle's, for the same input; of any shape.
        ran: the unit that Paddle's model ran there.
    """

    name: str
    given: Array
    expected: Array
    actual: Array
    ran: str


def explain_unit(spec: ArchSpec, seen: Observed, *, source: Weights, target: Weights) -> str:
    """The mistake that reproduces Paddle's output, or where the outputs differ.

    Args:
        spec: the architecture.
        seen: a unit whose outputs differ.
        source: every official name to PyTorch's tensor.
        target: the unit's official names to the tensors that Paddle's model holds, in PyTorch's layout.
    """
    if seen.ran != seen.name:
        return f"Paddle's model ran {seen.ran} where PyTorch's ran {seen.name}"
    if seen.expected.shape == seen.actual.shape:
        seen = _worst_image(seen)
    unit, right = build_unit(spec, seen.name), {name: source[name].astype(np.float64) for name in target}
    with np.errstate(all="ignore"):
        if not _reproduces(unit.run(seen.given, right), seen.expected, seen.actual):
            return _mistake_in_torch(unit, seen, right)
        faults = tensor_faults(source, target, units=unit_names(spec))
        text = _cause(unit, seen, {name: tensor.astype(np.float64) for name, tensor in target.items()})
    if text is None:
        return "; ".join([*faults, NO_MISTAKE, _signature(seen)])
    return "; ".join([*faults, *([text] if text else [])])


def _mistake_in_torch(unit: Unit, seen: Observed, weights: Weights) -> str:
    turned = replace(seen, expected=seen.actual, actual=seen.expected)
    text = _cause(unit, turned, weights)
    return f"PyTorch's model is not the architecture's: {text or f'{NO_MISTAKE}; {_signature(seen)}'}"


def _cause(unit: Unit, seen: Observed, weights: Weights) -> str | None:
    """The first mistake that gives `seen.actual`; empty where the unit gives it without one."""
    for text, output in _candidates(unit, seen, weights):
        if _reproduces(output, seen.actual, seen.expected):
            return text
    return None


def _reproduces(output: Array, actual: Array, other: Array) -> bool:
    if output.shape != actual.shape:
        return False
    limit = REPRODUCED * np.abs(actual).max()
    if actual.shape == other.shape:
        limit = min(limit, OF_THE_DEVIATION * np.abs(actual - other).max())
    return bool(np.abs(output - actual).max() <= limit)  # False for NaN


def _candidates(unit: Unit, seen: Observed, weights: Weights) -> Iterator[tuple[str, Array]]:
    """What each usual mistake is, and the output that it gives. The right unit comes first, without a text."""
    right = unit.run(seen.given, weights)
    yield "", right
    if unit.shortcut:
        yield f"{seen.name}: the shortcut is left out", replace(unit, shortcut=False).run(seen.given, weights)
    yield from _step_mistakes(unit, seen, weights)
    for text, wrong in unit.variants(weights):
        yield text, wrong.run(seen.given, weights)
    yield from _exchanged_tensors(unit, seen, weights)
    if seen.given.ndim == 4:
        text = f"{seen.name}: height and width of its input are exchanged"
        yield text, unit.run(seen.given.transpose(0, 1, 3, 2), weights)
    for dtype in ("float32", "float16"):
        yield f"{seen.name}: its output is rounded to {dtype}", right.astype(dtype).astype(np.float64)


def _step_mistakes(unit: Unit, seen: Observed, weights: Weights) -> Iterator[tuple[str, Array]]:
    """Mistakes in one step or in the order of two; what comes before is computed once."""
    states = unit.states(seen.given, weights)

    def output(changed: Unit, index: int) -> Array:
        return changed.resume(index, states[index], seen.given, weights)

    for index, step in enumerate(unit.steps):
        for text, wrong in step.mistakes(weights):
            yield text, output(unit.with_step(index, wrong), index)
        if isinstance(step, WITH_EPS) and seen.actual.shape == seen.expected.shape:
            yield _nearest_eps(step, seen.actual, partial(_output_with_eps, unit, index, output))
    for index, (one, other) in enumerate(pairwise(unit.steps)):
        if (type(one), type(other)) in EXCHANGES and not (isinstance(one, Conv) and not one.depthwise):
            text = f"{other.name} before {one.name} in place of after it"
            yield text, output(unit.exchanged(index), index)


def _output_with_eps(unit: Unit, index: int, output: Callable[[Unit, int], Array], eps: float) -> Array:
    step = unit.steps[index]
    assert isinstance(step, WITH_EPS)
    changed: Step = replace(step, eps=eps)
    return output(unit.with_step(index, changed), index)


def _nearest_eps(
    step: NormStep | ResponseNorm | BatchNorm, actual: Array, output_for: Callable[[float], Array]
) -> tuple[str, Array]:
    """The eps that comes closest to Paddle's output, by Newton's method with a secant for the derivative."""
    before, eps = step.eps, 10 * step.eps
    output_before = closest = output_for(before)
    distance, nearest = math.inf, before
    for _ in range(STEPS_TO_AN_EPS):
        output = output_for(eps)
        left = actual - output
        if not np.abs(left).max() < distance:  # as close as rounding allows
            break
        distance, nearest, closest = float(np.abs(left).max()), eps, output
        slope = (output - output_before) / (eps - before)
        before, output_before = eps, output
        eps = max(0.0, eps + float((left * slope).sum() / (slope * slope).sum()))
    return f"{step.name}: eps {nearest:.3g} in place of {step.eps:.3g}", closest


def _exchanged_tensors(unit: Unit, seen: Observed, weights: Weights) -> Iterator[tuple[str, Array]]:
    for one, other in combinations(weights, 2):
        if weights[one].shape == weights[other].shape:
            wrong: Mapping[str, Array] = {**weights, one: weights[other], other: weights[one]}
            yield f"{one} and {other} are exchanged", unit.run(seen.given, wrong)


def _worst_image(seen: Observed) -> Observed:
    """The unit on the image whose outputs differ most, alone; units treat each image on its own."""
    difference = np.abs(seen.expected - seen.actual).reshape(len(seen.expected), -1).max(1)
    image = slice(worst := int(np.argmax(difference)), worst + 1)
    return replace(seen, given=seen.given[image], expected=seen.expected[image], actual=seen.actual[image])


def _signature(seen: Observed) -> str:
    """Where the outputs differ: channels, and positions where there are any."""
    if seen.expected.shape != seen.actual.shape:
        return f"the output's shape is {seen.actual.shape} in place of {seen.expected.shape}"
    if not np.isfinite(seen.actual).all():
        return f"{np.count_nonzero(~np.isfinite(seen.actual)):,} of {seen.actual.size:,} values are not finite"
    limit = REPRODUCED * np.abs(seen.expected).max()
    wrong = np.abs(seen.expected - seen.actual) > min(limit, np.abs(seen.expected - seen.actual).max() / 2)
    channels = wrong.any(axis=tuple(axis for axis in range(wrong.ndim) if axis != 1))
    text = f"{_share(channels)} channels differ"
    return f"{text}, at {_share(wrong.any((0, 1)))} positions" if wrong.ndim == 4 else text


def _share(flags: Array) -> str:
    return f"{np.count_nonzero(flags):,} of {flags.size:,}"
