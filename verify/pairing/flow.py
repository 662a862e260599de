"""Layers paired by what flows into them: Paddle's layer that gets what one of PyTorch's got is its counterpart.

PyTorch's model runs once, and what each layer got and gave is kept. Then Paddle's runs, and each of its layers answers
with the output of the layer whose input it got. So neither names nor order decide, and one difference does not spread.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from convert.arrays import Array
from verify.gates.compare import compare
from verify.pairing.activations import FUNCTIONS, FUSED
from verify.pairing.messages import Passed
from verify.pairing.model import PairModel
from verify.pairing.proof import SEED, drawn
from verify.pairing.proposals import layout_of
from verify.pairing.survey import LayerFact, Role, Survey

SAME = 1e-9  # of the largest value: two layers get the same
ALIKE = 0.2  # they could, and something in between differs


@dataclass(frozen=True)
class Meeting:
    """A layer of Paddle's and its counterpart.

    Attributes:
        torch: what PyTorch's layer got and gave.
        paddle: what Paddle's got and gave, each layer before it having answered with PyTorch's output.
        given: max rel of the inputs.
        output: max rel of the outputs; infinite where the shapes differ.
    """

    torch: Passed
    paddle: Passed
    given: float
    output: float


@dataclass(frozen=True)
class Flow:
    """What a walk through both models found.

    Attributes:
        meetings: in the order in which Paddle's layers ran.
        strangers: Paddle's layers for which PyTorch's model had none left, in that order.
        unmet: PyTorch's layers that no layer of Paddle's met.
        pairs: PyTorch's tensors to Paddle's, of the layers that met.
    """

    meetings: tuple[Meeting, ...]
    strangers: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    pairs: dict[str, str] = field(default_factory=dict)


def run_flow(
    torch: PairModel, paddle: PairModel, surveys: tuple[Survey, Survey], batch: Array, *, temper: float
) -> Flow:
    """Walks through both. PyTorch's model holds random tensors, Paddle's those of layers in which others lie."""
    theirs, ours = surveys
    waiting = [
        replace(record, output=_without_activation(record, theirs.by_path[record.path], temper))
        for record in torch.walk(batch, _leaves(theirs))
    ]
    meetings, strangers, pairs = [], [], dict[str, str]()
    with closing(paddle.walk(batch, _leaves(ours))) as walk:
        passed = next(walk, None)
        while passed is not None:
            meeting = _meet(passed, waiting, surveys)
            if meeting is None:
                strangers.append(passed.path)
                replacement = None
            else:
                waiting = [record for record in waiting if record.given is not meeting.torch.given]
                meetings.append(meeting)
                pairs |= tensor_pairs(theirs.by_path[meeting.torch.path], ours.by_path[passed.path])
                replacement = arranged(meeting.torch.output, passed.output.shape)
            try:
                passed = walk.send(replacement)
            except StopIteration:
                break
    return Flow(tuple(meetings), tuple(strangers), tuple(record.path for record in waiting), pairs)


def tensor_pairs(theirs: LayerFact, ours: LayerFact) -> dict[str, str]:
    """The tensors of two layers that are counterparts, by what they do."""
    pairs: dict[str, str] = {}
    for one in theirs.tensors:
        for other in ours.tensors:
            if one.signature == other.signature and other.name not in pairs.values() and layout_of(one, other):
                pairs[one.name] = other.name
                break
    return pairs


def arranged(array: Array, shape: tuple[int, ...]) -> Array | None:
    """The array with its axes as that shape has them: channels first or last, positions in two axes or one."""
    return next(forms_of(array, shape), None)


def apart(one: Array, other: Array) -> float:
    """Max rel of two arrays that may lie in different layouts; infinite where no layout makes them comparable."""
    differences = [compare(form, other).max_rel for form in forms_of(one, other.shape) if form.size]
    return min(differences, default=math.inf)


def forms_of(array: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """The array in that shape in every way in which a layout may have made it; the likeliest first."""
    if array.shape == shape:
        yield array
    if array.size != math.prod(shape):
        return
    if array.ndim >= 3:
        for form in (array, np.moveaxis(array, 1, -1), np.moveaxis(array, -1, 1)):
            channels_stay = form.shape[-1] == shape[-1] or form.shape[1] == shape[1]
            if form.shape == shape or (form.shape[0] == shape[0] and channels_stay):
                yield form.reshape(shape)
    if _without_ones(array.shape) == _without_ones(shape):
        yield array.reshape(shape)


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _leaves(survey: Survey) -> tuple[str, ...]:
    return tuple(path for path in survey.called if path not in survey.folders)


def _kind(layer: LayerFact) -> Counter[tuple[Role, tuple[int, ...]]]:
    return Counter(tensor.signature for tensor in layer.tensors if tensor.role is not Role.COUNTER)


def _meet(passed: Passed, waiting: Sequence[Passed], surveys: tuple[Survey, Survey]) -> Meeting | None:
    theirs, ours = surveys
    kind = _kind(ours.by_path[passed.path])
    fitting = [record for record in waiting if _kind(theirs.by_path[record.path]) == kind]
    distances = [apart(record.given, passed.given) for record in fitting]
    if not fitting:
        return None
    nearest = min(range(len(fitting)), key=lambda place: (_rank(distances[place]), place))
    record = fitting[nearest]
    if function := FUNCTIONS.get(FUSED.get(str(ours.by_path[passed.path].settings.get("act", "")), "")):
        record = replace(record, output=function(record.output))
    return Meeting(record, passed, distances[nearest], apart(record.output, passed.output))


def _without_activation(record: Passed, layer: LayerFact, temper: float) -> Array:
    """What a layer gave, of a batch norm that runs an activation itself what it would give without one."""
    facts = {fact.role: fact for fact in layer.tensors}
    eps = layer.settings.get("eps")
    if not {Role.MEAN, Role.VARIANCE, Role.SCALE, Role.SHIFT} <= facts.keys() or not isinstance(eps, float):
        return record.output
    drawn_values = dict(drawn({fact.name: fact for fact in facts.values()}, SEED, temper))
    mean, variance, scale, shift = (
        drawn_values[facts[role].name].reshape(-1, *[1] * (record.given.ndim - 2))
        for role in (Role.MEAN, Role.VARIANCE, Role.SCALE, Role.SHIFT)
    )
    plain: Array = (record.given - mean) / np.sqrt(variance + eps) * scale + shift
    return plain if plain.shape == record.output.shape else record.output


def _rank(distance: float) -> float:
    """Order of how near an input is: what is not even alike is taken in the order of calls."""
    if distance <= SAME:
        return 0.0
    return distance if distance <= ALIKE else math.inf
