"""Why two models do not answer alike: the first layer that departs, and what is done otherwise there.

Nothing is read from the size of a difference. A setting is named as the cause where changing it makes both alike; a
function, where it gives what Paddle's next layer got.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convert.arrays import Array
from convert.errors import counted
from verify.gates.compare import compare
from verify.pairing.activations import FUNCTIONS
from verify.pairing.flow import SAME, Flow, Meeting, apart, arranged, run_flow
from verify.pairing.messages import Passed
from verify.pairing.model import PairModel
from verify.pairing.proof import PROVEN, differ, fill
from verify.pairing.search import Finding
from verify.pairing.survey import Survey

MOST = 8  # lines about settings
COMPARED = ("eps", "stride", "padding", "dilation", "groups")


@dataclass(frozen=True)
class Difference:
    """One setting in which two layers differ.

    Attributes:
        torch: PyTorch's layer.
        paddle: Paddle's.
        name: of the setting, PyTorch's word.
        theirs: PyTorch's value.
        ours: Paddle's value.
    """

    torch: str
    paddle: str
    name: str
    theirs: object
    ours: object


def explain(torch: PairModel, paddle: PairModel, finding: Finding) -> list[str]:
    """Lines that say where the models depart and what to change; the last ones where nothing usual explains it."""
    flow = finding.flow
    if flow is None:
        return []
    if finding.best and not finding.surplus:
        if lines := _settings_lines(torch, paddle, finding, flow):
            return lines
        fill(torch, paddle, finding.surveys, finding.best.proposal.pairs, temper=finding.temper)
        small = finding.batch[:1]
        flow = run_flow(torch, paddle, finding.surveys, small, temper=finding.temper)
    departure = _first_departure(flow, finding.surveys, both=finding.best is not None)
    return [*departure, *_other_settings(flow, finding.surveys)]


def setting_differences(flow: Flow, surveys: tuple[Survey, Survey]) -> list[Difference]:
    """The settings in which layers differ that are counterparts."""
    theirs, ours = surveys
    found = {}
    for meeting in flow.meetings:
        one, other = theirs.by_path[meeting.torch.path], ours.by_path[meeting.paddle.path]
        for name in COMPARED:
            if name in one.settings and name in other.settings and _part(one.settings[name], other.settings[name]):
                found[other.path, name] = Difference(
                    one.path, other.path, name, one.settings[name], other.settings[name]
                )
    return list(found.values())


def _part(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.float32(one) != np.float32(other))
    return _widened(one) != _widened(other)


def _widened(value: object) -> object:
    """A setting as a pair, for 1 and (1, 1) are one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, tuple) and len(value) == 1:
        return value * 2
    return value


def _settings_lines(torch: PairModel, paddle: PairModel, finding: Finding, flow: Flow) -> list[str]:
    """What to change, where changing Paddle's settings to PyTorch's makes both alike; nothing where it does not."""
    assert finding.best is not None
    differences = [difference for difference in setting_differences(flow, finding.surveys) if difference.name == "eps"]
    if not differences:
        return []
    fill(torch, paddle, finding.surveys, finding.best.proposal.pairs, temper=finding.temper)
    for difference in differences:
        paddle.change_setting(difference.paddle, difference.name, difference.theirs)
    torch.round_constants()
    after = differ(torch, paddle, finding.batch)
    for difference in differences:
        paddle.change_setting(difference.paddle, difference.name, difference.ours)
    alike = f"with that both answer alike (max rel {after:.1e})"
    if not after <= PROVEN:
        before = finding.best.outcome.max_rel
        if not after < before / 10:
            return []
        alike = f"that takes the difference from {before:.1e} to {after:.1e}; there is another one besides"
    return [*_grouped(differences, finding.surveys), alike]


def _grouped(differences: Sequence[Difference], surveys: tuple[Survey, Survey]) -> Iterator[str]:
    groups: defaultdict[tuple[str, object, object, str], list[Difference]] = defaultdict(list)
    for difference in differences:
        kind = surveys[1].by_path[difference.paddle].kind.rpartition(".")[2]
        groups[difference.name, difference.theirs, difference.ours, kind].append(difference)
    for (name, theirs, ours, kind), members in groups.items():
        first = members[0]
        more = f" and {counted(len(members) - 1, 'more layer')}" if len(members) > 1 else ""
        yield (
            f"{name} of Paddle's {kind} {first.paddle}{more} is {ours:g}; PyTorch's {first.torch} has {theirs:g}: "
            f"write epsilon={theirs:g} there"
        )


def _other_settings(flow: Flow, surveys: tuple[Survey, Survey]) -> list[str]:
    """Lines about settings in which counterparts differ, whether or not the first departure comes of them."""
    groups = Counter(
        (difference.name, difference.theirs, difference.ours) for difference in setting_differences(flow, surveys)
    )
    return [
        f"{name} is {theirs} in PyTorch and {ours} in Paddle in {counted(count, 'layer')}"
        for (name, theirs, ours), count in groups.items()
    ][:MOST]


def _first_departure(flow: Flow, surveys: tuple[Survey, Survey], *, both: bool) -> list[str]:
    for place, meeting in enumerate(flow.meetings):
        if not meeting.given <= SAME:
            return list(_input_lines(flow.meetings[:place], meeting))
        if both and not meeting.output <= SAME:
            return list(_output_lines(meeting, surveys))
    strangers, unmet = flow.strangers[:3], flow.unmet[:3]
    lines = [f"PyTorch's model has no counterpart of Paddle's {', '.join(strangers)}"] if strangers else []
    return lines + ([f"Paddle's model has no counterpart of PyTorch's {', '.join(unmet)}"] if unmet else [])


def _names(meeting: Meeting) -> str:
    return f"Paddle's {meeting.paddle.path} (PyTorch's {meeting.torch.path})"


def _output_lines(meeting: Meeting, surveys: tuple[Survey, Survey]) -> Iterator[str]:
    theirs, ours = surveys[0].by_path[meeting.torch.path], surveys[1].by_path[meeting.paddle.path]
    yield f"the first layer that departs is {_names(meeting)}: the same input, another output, {_by(meeting.output)}"
    if meeting.torch.output.shape != meeting.paddle.output.shape and math.isinf(meeting.output):
        yield f"PyTorch's has the shape {meeting.torch.output.shape}, Paddle's {meeting.paddle.output.shape}"
    for name in COMPARED:
        one, other = theirs.settings.get(name), ours.settings.get(name)
        if one is not None and other is not None and _part(one, other):
            yield f"{name} is {one} in PyTorch and {other} in Paddle"
    if theirs.kind.rpartition(".")[2] != ours.kind.rpartition(".")[2]:
        yield f"PyTorch's is a {theirs.kind}, Paddle's a {ours.kind}"


def _input_lines(before: Sequence[Meeting], meeting: Meeting) -> Iterator[str]:
    yield f"the first layer that departs is {_names(meeting)}: it gets another input, {_by(meeting.given)}"
    theirs, ours = meeting.torch.given, meeting.paddle.given
    if theirs.shape != ours.shape and math.isinf(meeting.given):
        yield (
            f"PyTorch's has the shape {theirs.shape}, Paddle's {ours.shape}: compare stride, padding and ceil_mode of "
            "the pooling before it"
        )
    elif (form := arranged(theirs, ours.shape)) is not None:
        yield from _value_lines(before, form, ours)
    if meeting.torch.between != meeting.paddle.between:
        yield f"before it PyTorch runs {_list(meeting.torch)}, and Paddle {_list(meeting.paddle)}"
    if before:
        yield f"the layer before it in Paddle, {before[-1].paddle.path}, is right"


def _value_lines(before: Sequence[Meeting], theirs: Array, ours: Array) -> Iterator[str]:
    for meeting in reversed(before[-4:]):
        names = [_function(meeting.torch.output, values) for values in (theirs, ours)]
        if all(names):
            yield f"after {_names(meeting)} PyTorch runs {names[0]}, and Paddle {names[1]}"
            return
    for meeting in reversed(before[-4:]):
        if factors := _factors(meeting.torch.output, theirs, ours):
            yield f"of what {_names(meeting)} gives, PyTorch multiplies by {factors[0]}, and Paddle by {factors[1]}"
            return
    for axis in range(1, ours.ndim):
        if moved := _permutation(theirs, ours, axis):
            yield f"its channels are PyTorch's in another order, {moved}: compare what is concatenated or split"
            return
    scale = float((theirs * ours).sum() / (theirs * theirs).sum()) if theirs.any() else 1.0
    if apart(theirs * scale, ours) <= SAME:
        yield f"it is PyTorch's times {scale:g}"


def _function(source: Array, result: Array) -> str:
    """The function of the source that gives the result, or whose mean over all positions does; "" if none does."""
    for name, function in FUNCTIONS.items():
        for form in _reduced(function(source), result.shape):
            if compare(result, form).max_rel <= SAME:
                return name
    return ""


def _reduced(array: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """The array in that shape: as it is, or its mean over all positions."""
    if (form := arranged(array, shape)) is not None:
        yield form
    elif array.ndim > 2 and math.prod(shape) == array.shape[0] * array.shape[1]:
        yield array.mean(tuple(range(2, array.ndim))).reshape(shape)


def _factors(source: Array, theirs: Array, ours: Array) -> tuple[str, str] | None:
    """The functions of the source by which one and the same was multiplied to give both; None if none are."""
    try:
        shape = np.broadcast_shapes(source.shape, ours.shape)
    except ValueError:
        return None
    if shape != ours.shape or source.shape == ours.shape:
        return None
    for name, function in FUNCTIONS.items():
        for other, theirs_function in FUNCTIONS.items():
            if name != other and compare(ours * theirs_function(source), theirs * function(source)).max_rel <= SAME:
                return other, name
    return None


def _permutation(theirs: Array, ours: Array, axis: int) -> str:
    """The order in which one array's slices stand in the other, where they are the same slices; "" otherwise."""
    one, other = (np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1) for array in (theirs, ours))
    marks, sought = (array @ np.random.default_rng(0).standard_normal(one.shape[1]) for array in (one, other))
    nearest = [int(np.argmin(np.abs(marks - mark))) for mark in sought]
    if sorted(nearest) != list(range(len(nearest))) or not compare(one[nearest], other).max_rel <= SAME:
        return ""
    first = ", ".join(map(str, nearest[:6]))
    return f"{first} ..." if len(nearest) > 6 else first


def _list(passed: Passed) -> str:
    return ", ".join(passed.between) or "nothing with a name"


def _by(value: float) -> str:
    return "of another shape" if math.isinf(value) else f"max rel {value:.1e}"
