"""The conversion itself: a state dict in PyTorch's layout to one in Paddle's, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Array, Tensor, TensorType, count_not_finite, dtype_name
from convert.cores import on_cores
from convert.errors import CheckpointMismatch, FerryError, shown
from convert.frameworks import PADDLE, TORCH
from convert.params import LeftOut, Shape
from convert.stored import StoredArray

DTYPE = np.dtype("float32")


def convert_state_dict(
    spec: ArchSpec, source: Mapping[str, TensorType], *, dtype: np.dtype[Any] = DTYPE
) -> dict[str, TensorType]:
    """A PyTorch state dict as Paddle's.

    Args:
        spec: the architecture; `spec.fitted_to(shapes)` takes the number of classes and channels from the tensors.
        source: official PyTorch names to arrays in PyTorch's layout: a Linear weight is (out, in), a convolution
            (out, in / groups, height, width).
        dtype: that every tensor must have; float32 unless given.

    Returns:
        Paddle names to arrays in Paddle's layout (a Linear weight is (in, out)), in the order of the parameter
        table. They are views: nothing is copied, and the source is not changed.

    Raises:
        CheckpointMismatch: a tensor is missing, unexpected, of another shape or dtype, or has a NaN or Inf. Its
            `problems` has every one of them.
    """
    check_state_dict(spec, source, framework=TORCH, dtype=dtype)
    return carry_state_dict(spec, source, PADDLE)


def restore_state_dict(
    spec: ArchSpec, source: Mapping[str, TensorType], *, dtype: np.dtype[Any] = DTYPE
) -> dict[str, TensorType]:
    """A Paddle state dict as PyTorch's: the inverse of `convert_state_dict`, with the same errors.

    What PyTorch alone has is made anew. Raises FerryError where that cannot be.
    """
    check_state_dict(spec, source, framework=PADDLE, dtype=dtype)
    made = {row.torch_name: cast("TensorType", made_anew(row)) for row in spec.left_out().values()}
    tensors = {**carry_state_dict(spec, source, TORCH), **made}
    return {row.torch_name: tensors[row.torch_name] for row in spec.rows()}


def made_anew(row: LeftOut, subject: str = "the state dict") -> Array:
    """A tensor that PyTorch alone has. Raises FerryError, which begins with `subject`, where it cannot be made."""
    if row.value is None:
        raise FerryError(
            f"{subject}: PyTorch's {shown(row.torch_name)} was left out on the way to Paddle "
            f"({shown(row.why)}), so there is no way back; take PyTorch's own file"
        )
    return np.full(row.shape, row.value, row.dtype)


def carry_state_dict(spec: ArchSpec, source: Mapping[str, TensorType], framework: str) -> dict[str, TensorType]:
    """Views of tensors that fit the architecture, in that framework's names and layout; the source has the other's."""
    if framework == PADDLE:
        return {p.paddle_name: p.layout.to_paddle(source[p.torch_name]) for p in spec.params()}
    return {p.torch_name: p.layout.to_torch(source[p.paddle_name]) for p in spec.params()}


def check_state_dict(
    spec: ArchSpec,
    source: Mapping[str, Tensor],
    *,
    framework: str,
    dtype: np.dtype[Any] = DTYPE,
    not_finite: Mapping[str, int] | None = None,
) -> None:
    """Raises CheckpointMismatch unless the tensors are the architecture's in that framework's names and layout.

    Those that the framework alone has may be there or not.
    """
    expected, kept = expected_shapes(spec, framework), spec.kept_dtypes(framework)
    left_out = spec.left_out_shapes(framework)
    source = {name: tensor for name, tensor in source.items() if left_out.get(name) != tensor.shape}
    if problems := find_problems(source, expected, dtype=dtype, kept=kept, not_finite=not_finite):
        raise CheckpointMismatch(spec.name, problems)


def expected_shapes(spec: ArchSpec, framework: str) -> dict[str, Shape]:
    """Name to shape of every tensor of an architecture, as "torch" or "paddle" has them."""
    if framework == TORCH:
        return {p.torch_name: p.shape for p in spec.params()}
    return {p.paddle_name: p.paddle_shape for p in spec.params()}


def find_problems(
    source: Mapping[str, Tensor],
    expected: Mapping[str, Shape],
    *,
    dtype: np.dtype[Any] = DTYPE,
    kept: Mapping[str, str] | None = None,
    widen: bool = False,
    not_finite: Mapping[str, int] | None = None,
) -> list[str]:
    """Everything that keeps the tensors from being the expected ones.

    Args:
        source: names to arrays.
        expected: names to shapes.
        dtype: that every tensor must have, but for those that have another in `kept`.
        kept: names to the dtypes of tensors that are carried as they are.
        widen: whether a dtype whose every value `dtype` can hold will do as well.
        not_finite: how many values of a tensor are NaN or Inf, by name, where any is; they are counted unless given.

    Returns:
        A line for each problem, in the expected order, the unexpected tensors last.
    """
    if not_finite is None:
        comparable = [name for name, shape in expected.items() if name in source and source[name].shape == shape]
        counted = on_cores(lambda name: _count(source[name]), comparable)
        not_finite = dict(zip(comparable, counted, strict=True))
    wanted = {name: np.dtype(kept[name]) if kept and name in kept else dtype for name in expected}
    return list(_problems(source, expected, wanted, "safe" if widen else "equiv", not_finite))


def _count(tensor: Tensor) -> int:
    return tensor.count_not_finite() if isinstance(tensor, StoredArray) else count_not_finite(np.asarray(tensor))


def _problems(
    source: Mapping[str, Tensor],
    expected: Mapping[str, Shape],
    dtypes: Mapping[str, np.dtype[Any]],
    casting: Literal["safe", "equiv"],
    not_finite: Mapping[str, int],
) -> Iterator[str]:
    width = max((len(shown(name)) for name in (*expected, *source)), default=0)
    for name, shape in expected.items():
        if name not in source:
            yield f"missing     {shown(name):<{width}}  {shape}"
        elif source[name].shape != shape:
            yield f"shape       {shown(name):<{width}}  expected {shape}, found {source[name].shape}"
        elif not _fits(source[name].dtype, dtypes[name], casting):
            actual = dtype_name(source[name].dtype)
            yield f"dtype       {shown(name):<{width}}  expected {dtype_name(dtypes[name])}, found {actual}"
        elif bad := not_finite.get(name, 0):
            yield f"not finite  {shown(name):<{width}}  {bad} of {source[name].size} values are NaN or Inf"
    for name in source:
        if name not in expected:
            yield f"unexpected  {shown(name):<{width}}  {source[name].shape}"


def _fits(actual: np.dtype[Any], expected: np.dtype[Any], casting: Literal["safe", "equiv"]) -> bool:
    if actual == expected or (expected.kind in "biu" and actual.newbyteorder("<") == expected.newbyteorder("<")):
        return True
    return actual.kind == "f" and expected.kind == "f" and np.can_cast(actual, expected, casting)
