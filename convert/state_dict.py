"""The conversion itself: a state dict in PyTorch's layout to one in Paddle's, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from convert.archs.convnext import ConvNeXtSpec
from convert.arrays import Array, count_not_finite, dtype_name
from convert.errors import CheckpointMismatch, shown
from convert.params import Layout, Param, Shape

DTYPE = np.dtype("float32")


@dataclass(frozen=True)
class Step:
    """What happens to one tensor.

    Attributes:
        source: key in the source state dict.
        source_shape: its shape there.
        layout: the operation.
        target: key in the target.
        target_shape: its shape there.
    """

    source: str
    source_shape: Shape
    layout: Layout
    target: str
    target_shape: Shape


def plan_steps(spec: ConvNeXtSpec) -> tuple[Step, ...]:
    """The whole mapping from PyTorch to Paddle for an architecture, in the target's order."""
    return tuple(Step(p.torch_name, p.shape, p.layout, p.paddle_name, p.paddle_shape) for p in spec.params())


def convert_state_dict(spec: ConvNeXtSpec, source: Mapping[str, Array]) -> dict[str, Array]:
    """A PyTorch state dict as Paddle's.

    Args:
        spec: the architecture; `spec.fitted_to(shapes)` takes the number of classes and channels from the tensors.
        source: official PyTorch names to float32 arrays in PyTorch's layout: a Linear weight is (out, in),
            a convolution (out, in / groups, height, width).

    Returns:
        Paddle names to arrays in Paddle's layout (a Linear weight is (in, out)), in the order of the parameter
        table. They are views: nothing is copied, and the source is not changed.

    Raises:
        CheckpointMismatch: a tensor is missing, unexpected, of another shape or dtype, or has a NaN or Inf. Its
            `problems` has every one of them.
    """
    params = spec.params()
    problems = find_problems(source, _side(params, lambda p: (p.torch_name, p.shape)))
    if problems:
        raise CheckpointMismatch(spec.name, problems)
    return {p.paddle_name: p.layout.to_paddle(source[p.torch_name]) for p in params}


def restore_state_dict(spec: ConvNeXtSpec, source: Mapping[str, Array]) -> dict[str, Array]:
    """A Paddle state dict as PyTorch's: the inverse of `convert_state_dict`, with the same errors."""
    params = spec.params()
    problems = find_problems(source, _side(params, lambda p: (p.paddle_name, p.paddle_shape)))
    if problems:
        raise CheckpointMismatch(spec.name, problems)
    return {p.torch_name: p.layout.to_torch(source[p.paddle_name]) for p in params}


def find_problems(
    source: Mapping[str, Array], expected: Mapping[str, Shape], *, dtype: np.dtype[Any] = DTYPE, widen: bool = False
) -> list[str]:
    """Everything that keeps the tensors from being the expected ones.

    Args:
        source: names to arrays.
        expected: names to shapes.
        dtype: that every tensor must have.
        widen: whether a dtype whose every value `dtype` can hold will do as well.

    Returns:
        A line for each problem, in the expected order, the unexpected tensors last.
    """
    return list(_problems(source, expected, dtype, "safe" if widen else "equiv"))


def _side(params: Iterable[Param], side: Callable[[Param], tuple[str, Shape]]) -> dict[str, Shape]:
    return dict(side(param) for param in params)


def _problems(
    source: Mapping[str, Array], expected: Mapping[str, Shape], dtype: np.dtype[Any], casting: Literal["safe", "equiv"]
) -> Iterator[str]:
    width = max((len(shown(name)) for name in (*expected, *source)), default=0)
    for name, shape in expected.items():
        if name not in source:
            yield f"missing     {shown(name):<{width}}  {shape}"
        elif source[name].shape != shape:
            yield f"shape       {shown(name):<{width}}  expected {shape}, found {source[name].shape}"
        elif source[name].dtype.kind != "f" or not np.can_cast(source[name].dtype, dtype, casting):
            yield f"dtype       {shown(name):<{width}}  expected {dtype}, found {dtype_name(source[name].dtype)}"
        elif bad := count_not_finite(source[name]):
            yield f"not finite  {shown(name):<{width}}  {bad} of {source[name].size} values are NaN or Inf"
    for name in source:
        if name not in expected:
            yield f"unexpected  {shown(name):<{width}}  {source[name].shape}"
