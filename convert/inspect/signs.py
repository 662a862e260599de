"""Signs that something is off with weights: what a trained model's file does not have."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from convert.errors import counted
from convert.inspect.measure import Measure
from convert.params import Shape

# A head begins with biases of 0 and weights of a deviation of 0.02 (the authors', timm's, torchvision's) or 0.01
# (mmpretrain's), which it may scale down to 0. Training moves every bias.
UNTRAINED_RMS = 0.05
HEAD = re.compile(r"(?:^|\.)(?:head|heads|fc|classifier|logits|last_linear)(?:\.\w+)*\.weight$")


class Measured(NamedTuple):
    """A tensor of weights.

    Attributes:
        path: in the file.
        shape: as the file has it.
        dtype: its name.
        measure: of its values.
        view: what it is a view of; equal for two that are the same values in the file.
    """

    path: str
    shape: Shape
    dtype: str
    measure: Measure
    view: object

    @property
    def size(self) -> int:
        """How many values it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class Sign:
    """Something that is off.

    Attributes:
        kind: a word for it: one of `KINDS`.
        description: a line about it.
        tensors: the paths of all tensors that show it.
    """

    kind: str
    description: str
    tensors: tuple[str, ...]


NOT_FINITE, ZERO, CONSTANT, EQUAL, UNTRAINED = "not finite", "all zero", "constant", "equal tensors", "untrained head"
KINDS = {
    NOT_FINITE: "a value is NaN or Inf",
    UNTRAINED: f"the head's biases are all exactly 0, and its weights have a root mean square below {UNTRAINED_RMS}",
    ZERO: "every value of a tensor of several values is 0",
    CONSTANT: "every value of a tensor of several values is one other number, as before training",
    EQUAL: "two tensors of different values each are equal to one another, or are one in the file",
}


def find_signs(
    weights: Iterable[Measured],
    others: Iterable[Measured],
    heads: Collection[tuple[str, str]],
    digest_of: Callable[[str], str],
) -> tuple[Sign, ...]:
    """Every sign, the gravest first.

    Args:
        weights: tensors of state dicts.
        others: tensors beside them, which are looked at for NaN and Inf alone: an optimizer's may well be constant.
        heads: the paths of weight and bias of heads that were recognised.
        digest_of: from a tensor's path to the digest of its values, asked of those that seem equal.
    """
    weights = list(weights)
    signs = [
        *_not_finite([*weights, *others]),
        *_untrained({tensor.path: tensor for tensor in weights}, heads),
        *_constant(weights),
        *_equal(weights, digest_of),
    ]
    return tuple(signs)


def _not_finite(tensors: Iterable[Measured]) -> Iterator[Sign]:
    bad = [tensor for tensor in tensors if tensor.measure.nan or tensor.measure.inf]
    if bad:
        nan, inf = sum(tensor.measure.nan for tensor in bad), sum(tensor.measure.inf for tensor in bad)
        text = f"{counted(len(bad), 'tensor')} with {nan:,} NaN and {inf:,} Inf"
        yield Sign(NOT_FINITE, text, tuple(tensor.path for tensor in bad))


def _constant(tensors: Iterable[Measured]) -> Iterator[Sign]:
    constant = [tensor for tensor in tensors if tensor.size > 1 and tensor.measure.is_constant]
    zero = [tensor for tensor in constant if tensor.measure.low == 0]
    if zero:
        text = f"{counted(len(zero), 'tensor')} of which every value is 0"
        yield Sign(ZERO, text, tuple(tensor.path for tensor in zero))
    if rest := [tensor for tensor in constant if tensor.measure.low != 0]:
        values = ", ".join(f"{value:.6g}" for value in sorted({tensor.measure.low or 0 for tensor in rest})[:4])
        text = f"{counted(len(rest), 'tensor')} of which every value is the same: {values}"
        yield Sign(CONSTANT, text, tuple(tensor.path for tensor in rest))


def _equal(tensors: Iterable[Measured], digest_of: Callable[[str], str]) -> Iterator[Sign]:
    alike: defaultdict[object, list[Measured]] = defaultdict(list)
    for tensor in tensors:
        if tensor.size > 1 and not tensor.measure.is_constant:
            found = tensor.measure
            alike[tensor.dtype, tensor.shape, found.checksum, found.low, found.high].append(tensor)
    groups = [group for likely in alike.values() if len(likely) > 1 for group in _same(likely, digest_of)]
    if groups:
        shared = sum(len({tensor.view for tensor in group}) == 1 for group in groups)
        text = f"{counted(len(groups), 'group')} of tensors that are equal, {shared} of them one tensor in the file"
        yield Sign(EQUAL, text, tuple(tensor.path for group in groups for tensor in group))


def _same(likely: list[Measured], digest_of: Callable[[str], str]) -> list[list[Measured]]:
    """The tensors by groups that are equal, each of two at least; a checksum alone would not tell."""
    groups: defaultdict[object, list[Measured]] = defaultdict(list)
    if len({tensor.view for tensor in likely}) == 1:
        return [likely]
    for tensor in likely:
        groups[digest_of(tensor.path)].append(tensor)
    return [group for group in groups.values() if len(group) > 1]


def _untrained(tensors: Mapping[str, Measured], heads: Collection[tuple[str, str]]) -> Iterator[Sign]:
    named = {(path, f"{path.removesuffix('weight')}bias") for path in tensors if HEAD.search(path)}
    for weight, bias in sorted({*heads, *named}):
        if weight in tensors and bias in tensors and _is_untrained(tensors[weight], tensors[bias]):
            rms = tensors[weight].measure.rms
            text = f"every bias is 0, and the weights' root mean square is {rms:g}: a head that was never trained"
            yield Sign(UNTRAINED, text, (weight, bias))


def _is_untrained(weight: Measured, bias: Measured) -> bool:
    is_linear = len(weight.shape) >= 2 and len(bias.shape) == 1 and bias.shape[0] in weight.shape
    zero = bias.measure.is_constant and bias.measure.low == 0
    return is_linear and zero and weight.measure.rms is not None and weight.measure.rms < UNTRAINED_RMS
