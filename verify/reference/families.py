"""The units of every architecture. A new family is a new module with its `units`, listed here.

Units are what two networks are compared by: stem, downsampling layers, blocks, pooled features, the head's layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from convert.archs.convnext import ConvNeXtSpec
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.archs.replknet import RepLKNetSpec
from convert.archs.resnext import ResNeXtSpec
from convert.archs.resnext_blog import ResNeXtBlogSpec
from convert.archs.spec import ArchSpec
from verify.reference import convnext, convnext_isotropic, replknet, resnext, resnext_blog
from verify.reference.unit import Unit

UNITS: Mapping[type[ArchSpec], Callable[[Any], Iterator[Unit]]] = {
    ConvNeXtSpec: convnext.units,
    ConvNeXtIsotropicSpec: convnext_isotropic.units,
    ResNeXtSpec: resnext.units,
    ResNeXtBlogSpec: resnext_blog.units,
    RepLKNetSpec: replknet.units,
}


def units_of(spec: ArchSpec) -> tuple[Unit, ...]:
    """The architecture's units in the order in which they run."""
    return tuple(UNITS[type(spec)](spec))


def build_unit(spec: ArchSpec, name: str) -> Unit:
    """The unit of that name, as a list of steps.

    Raises:
        ValueError: the architecture has no such unit.
    """
    for unit in units_of(spec):
        if unit.name == name:
            return unit
    raise ValueError(f"{spec.name} has no unit {name}")


def tensors_of(spec: ArchSpec, name: str) -> tuple[str, ...]:
    """Official names of the unit's tensors, in the table's order.

    Raises:
        ValueError: the architecture has no such unit.
    """
    unit = build_unit(spec, name)
    return tuple(param.torch_name for param in spec.params() if unit.has(param.torch_name))


def unit_names(spec: ArchSpec) -> dict[str, str]:
    """Every tensor's official name to the name of its unit, in the table's order."""
    units = units_of(spec)
    names = [param.torch_name for param in spec.params()]
    return {name: next(unit.name for unit in units if unit.has(name)) for name in names}
