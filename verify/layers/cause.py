"""Why a unit of Paddle's model departs from PyTorch's: each usual mistake is computed, and must give Paddle's output.

Nothing is read from the size of a difference. A mistake is named only where numpy, making it, gets what Paddle got.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from verify.layers.tensor_faults import tensor_faults
from verify.reference.convnext import plan_of
from verify.reference.steps import Conv, Gelu, Linear, Norm, Pool, ResponseNorm, Step, Weights
from verify.reference.unit import Plan

# Both hold where a mistake explains an output; numpy and the frameworks agree to 1e-14 or better in float64.
REPRODUCED = 1e-9  # of the output's largest value
OF_THE_DEVIATION = 1e-3  # of the difference that is to be explained; a small one must be met the more closely

NO_MISTAKE = "no usual mistake reproduces it"
EXCHANGES = {(Conv, Norm), (Linear, Gelu), (Gelu, ResponseNorm), (Pool, Norm), (Norm, Pool)}
STEPS_TO_AN_EPS = 8  # of Newton's method, from ten times the right one; it takes 3 to 6


@dataclass(frozen=True)
class Observed:
    """One unit on one batch, float64.

    Attributes:
        unit: its name.
        given: its input, (N, C, H, W) or (N, C).
        expected: PyTorch's output.
        actual: Paddle's, for the same input; of any shape.
        ran: the unit that Paddle's model ran there.
    """

    unit: str
    given: Array
    expected: Array
    actual: Array
    ran: str


def explain(spec: ArchSpec, seen: Observed, *, source: Weights, target: Weights) -> str:
    """The mistake that reproduces Paddle's output, or where the outputs differ.

    Args:
        spec: the architecture.
        seen: a unit whose outputs differ.
        source: every official name to PyTorch's tensor.
        target: the unit's official names to the tensors that Paddle's model holds, in PyTorch's layout.
    """
    if seen.ran != seen.unit:
        return f"Paddle's model ran {seen.ran} where PyTorch's ran {seen.unit}"
    if seen.expected.shape == seen.actual.shape:
        seen = _worst_image(seen)
    plan, right = plan_of(spec, seen.unit), {name: source[name].astype(np.float64) for name in target}
    with np.errstate(all="ignore"):
        if not _reproduces(plan.run(seen.given, right), seen.expected, seen.actual):
            return _of_torch(plan, seen, right)
        faults = tensor_faults(source, target)
        text = _cause(plan, seen, {name: tensor.astype(np.float64) for name, tensor in target.items()})
    if text is None:
        return "; ".join([*faults, NO_MISTAKE, _signature(seen)])
    return "; ".join([*faults, *([text] if text else [])])


def _of_torch(plan: Plan, seen: Observed, weights: Weights) -> str:
    turned = dataclasses.replace(seen, expected=seen.actual, actual=seen.expected)
    text = _cause(plan, turned, weights)
    return f"PyTorch's model is not the architecture's: {text or f'{NO_MISTAKE}; {_signature(seen)}'}"


def _cause(plan: Plan, seen: Observed, weights: Weights) -> str | None:
    """The first mistake that gives `seen.actual`; empty where the plan gives it as it is."""
    for text, output in _candidates(plan, seen, weights):
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


def _candidates(plan: Plan, seen: Observed, weights: Weights) -> Iterator[tuple[str, Array]]:
    """What each usual mistake is, and the output that it gives. The right plan comes first, without a text."""
    right = plan.run(seen.given, weights)
    yield "", right
    if plan.shortcut:
        yield f"{seen.unit}: the shortcut is left out", right - seen.given
    yield from _in_a_step(plan, seen, weights)
    yield from _exchanged_tensors(plan, seen, weights)
    if seen.given.ndim == 4:
        text = f"{seen.unit}: height and width of its input are exchanged"
        yield text, plan.run(seen.given.transpose(0, 1, 3, 2), weights)
    for dtype in ("float32", "float16"):
        yield f"{seen.unit}: its output is rounded to {dtype}", right.astype(dtype).astype(np.float64)


def _in_a_step(plan: Plan, seen: Observed, weights: Weights) -> Iterator[tuple[str, Array]]:
    """Mistakes in one step or in the order of two; what comes before is computed once."""
    states = plan.states(seen.given, weights)

    def output(changed: Plan, index: int) -> Array:
        return changed.resume(index, states[index], seen.given, weights)

    for index, step in enumerate(plan.steps):
        for text, wrong in step.mistakes(weights):
            yield text, output(plan.with_step(index, wrong), index)
        if isinstance(step, (Norm, ResponseNorm)) and seen.actual.shape == seen.expected.shape:
            yield _another_eps(step, seen.actual, partial(_with_eps, plan, index, output))
    for index, (one, other) in enumerate(pairwise(plan.steps)):
        if (type(one), type(other)) in EXCHANGES and not (isinstance(one, Conv) and not one.depthwise):
            text = f"{other.name} before {one.name} in place of after it"
            yield text, output(plan.exchanged(index), index)


def _with_eps(plan: Plan, index: int, output: Callable[[Plan, int], Array], eps: float) -> Array:
    step = plan.steps[index]
    assert isinstance(step, (Norm, ResponseNorm))
    changed: Step = dataclasses.replace(step, eps=eps)
    return output(plan.with_step(index, changed), index)


def _another_eps(step: Norm | ResponseNorm, actual: Array, output_for: Callable[[float], Array]) -> tuple[str, Array]:
    """The eps that comes closest to Paddle's output, by Newton's method with a secant for the derivative."""
    before, eps = step.eps, 10 * step.eps
    output_before = closest = output_for(before)
    distance, found = math.inf, before
    for _ in range(STEPS_TO_AN_EPS):
        output = output_for(eps)
        left = actual - output
        if not np.abs(left).max() < distance:  # as close as rounding allows
            break
        distance, found, closest = float(np.abs(left).max()), eps, output
        slope = (output - output_before) / (eps - before)
        before, output_before = eps, output
        eps = max(0.0, eps + float((left * slope).sum() / (slope * slope).sum()))
    return f"{step.name}: eps {found:.3g} in place of {step.eps:.3g}", closest


def _exchanged_tensors(plan: Plan, seen: Observed, weights: Weights) -> Iterator[tuple[str, Array]]:
    for one, other in combinations(weights, 2):
        if weights[one].shape == weights[other].shape:
            wrong: Mapping[str, Array] = {**weights, one: weights[other], other: weights[one]}
            yield f"{one} and {other} are exchanged", plan.run(seen.given, wrong)


def _worst_image(seen: Observed) -> Observed:
    """The image whose outputs differ most, alone; the units treat each on its own."""
    difference = np.abs(seen.expected - seen.actual).reshape(len(seen.expected), -1).max(1)
    image = slice(worst := int(np.argmax(difference)), worst + 1)
    return dataclasses.replace(seen, given=seen.given[image], expected=seen.expected[image], actual=seen.actual[image])


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
