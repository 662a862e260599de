"""Re-parameterisation of a state dict, on request: several tensors become one, in float64, rounded once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from convert.archs.spec import ArchSpec, Merging
from convert.arrays import Array, Tensor, cast_values, count_not_finite
from convert.casting import DEFAULT, DTYPES
from convert.cores import on_cores
from convert.errors import FerryError, counted, shown
from convert.frameworks import PADDLE
from convert.stored import StoredArray

EXACT = np.dtype("float64")


def merging_of(spec: ArchSpec) -> Merging:
    """The re-parameterisation that an architecture offers.

    Raises:
        FerryError: it is merged already, or has nothing to merge.
    """
    if merging := spec.merging():
        return merging
    why = f"is {spec.form} already" if spec.form else "has nothing to merge"
    raise FerryError(f"{spec.name} {why}; leave --merge out")


def read_parts(merging: Merging, spec: ArchSpec, tensors: Mapping[str, Tensor], framework: str) -> dict[str, Array]:
    """The tensors that are merged, in memory and float64.

    Args:
        merging: of the architecture.
        spec: the architecture, whose table the tensors fit.
        tensors: that framework's names to arrays in its layout, of any floating-point dtype.
        framework: "torch" or "paddle".

    Returns:
        Names in PyTorch to arrays in PyTorch's layout.
    """
    parts = [param for param in spec.params() if param.torch_name in merging.parts]
    names = [param.paddle_name if framework == PADDLE else param.torch_name for param in parts]
    arrays = [
        param.layout.to_torch(tensors[name]) if framework == PADDLE else tensors[name]
        for param, name in zip(parts, names, strict=True)
    ]
    values = on_cores(lambda array: cast_values(_in_memory(array), EXACT), arrays)
    return {param.torch_name: value for param, value in zip(parts, values, strict=True)}


def merged_exactly(merging: Merging, parts: Mapping[str, Array]) -> dict[str, Array]:
    """Name in PyTorch of every tensor that is made to its values, in float64.

    Args:
        merging: what is made of what.
        parts: names in PyTorch to arrays in float64.
    """
    with np.errstate(all="ignore"):  # what is not finite is found in the result
        return {name: made.formula(*(parts[part] for part in made.parts)) for name, made in merging.made.items()}


def merged(merging: Merging, parts: Mapping[str, Array], dtype: str = DEFAULT) -> dict[str, Array]:
    """The tensors that are made, rounded once.

    Args:
        merging: what is made of what.
        parts: names in PyTorch to arrays in float64.
        dtype: one of `convert.casting.DTYPES`.

    Raises:
        FerryError: a value is NaN or Inf.
    """
    rounded = {}
    for name, exact in merged_exactly(merging, parts).items():
        if not (bad := count_not_finite(exact)):
            rounded[name] = cast_values(exact, DTYPES[dtype])
            bad = count_not_finite(rounded[name])
        if bad:
            raise FerryError(
                f"merged, {shown(name)} would have {counted(bad, 'value')} that are NaN or Inf: a variance is below 0, "
                "or a value too large for the target; without --merge the tensors are carried over as they are"
            )
    return rounded


def describe_merging(merging: Merging) -> str:
    """What was merged, for people."""
    return (
        f"{counted(len(merging.parts), 'tensor')} merged into {len(merging.made)}, in float64 and rounded once; "
        "there is no way back from it"
    )


def _in_memory(tensor: Tensor) -> Array:
    return tensor.read() if isinstance(tensor, StoredArray) else np.asarray(tensor)
