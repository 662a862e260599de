"""Isotropic ConvNeXt: one resolution throughout, no downsampling between blocks.

Section 3.3 of https://arxiv.org/abs/2201.03545; models/convnext_isotropic.py of
https://github.com/facebookresearch/ConvNeXt at 048efce. The released models have no LayerScale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from convert.archs.convnext import KERNEL
from convert.archs.spec import ArchSpec, Stage
from convert.params import Param, conv, linear, norm

PATCH = 16  # side and stride of the stem's convolution


@dataclass(frozen=True, kw_only=True)
class ConvNeXtIsotropicSpec(ArchSpec):
    """One variant of the isotropic ConvNeXt.

    Attributes:
        depth: number of blocks.
        dim: channels of every block.
    """

    stem_key: ClassVar[str] = "stem.weight"

    depth: int
    dim: int

    @property
    def patch(self) -> int:
        return PATCH

    @property
    def block_names(self) -> tuple[str, ...]:
        return tuple(f"blocks.{j}" for j in range(self.depth))

    @property
    def stages(self) -> tuple[Stage, ...]:
        return ((self.depth, self.dim),)

    def resized(self, stages: Sequence[Stage]) -> ConvNeXtIsotropicSpec:
        ((depth, dim),) = stages
        return replace(self, depth=depth, dim=dim)

    def rows(self) -> Iterator[Param]:
        yield from conv("stem", out=self.dim, in_per_group=self.in_chans, kernel=PATCH)
        for j in range(self.depth):
            yield from conv(f"blocks.{j}.dwconv", out=self.dim, in_per_group=1, kernel=KERNEL)
            yield from norm(f"blocks.{j}.norm", self.dim)
            yield from linear(f"blocks.{j}.pwconv1", out=4 * self.dim, in_=self.dim)
            yield from linear(f"blocks.{j}.pwconv2", out=self.dim, in_=4 * self.dim)
        if self.last_norm:
            yield from norm("norm", self.dim)
        if self.num_classes:
            yield from linear("head", out=self.num_classes, in_=self.dim)


VARIANTS = (
    ConvNeXtIsotropicSpec(name="convnext_isotropic_small", depth=18, dim=384),
    ConvNeXtIsotropicSpec(name="convnext_isotropic_base", depth=18, dim=768),
    ConvNeXtIsotropicSpec(name="convnext_isotropic_large", depth=36, dim=1024),
)
