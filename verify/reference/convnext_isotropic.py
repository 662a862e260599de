"""Isotropic ConvNeXt, unit by unit."""

from __future__ import annotations

from collections.abc import Iterator

from convert.archs.convnext_isotropic import PATCH, ConvNeXtIsotropicSpec
from verify.reference.parts import block, head, norm
from verify.reference.steps import Conv, Pool
from verify.reference.unit import Unit


def units(spec: ConvNeXtIsotropicSpec) -> Iterator[Unit]:
    """The network's units in the order in which they run."""
    yield Unit("stem", (Conv("stem", stride=PATCH),))
    for name in spec.block_names:
        yield block(spec, name)
    yield from head(spec, Pool(), *([norm(spec, "norm")] if spec.last_norm else []))
