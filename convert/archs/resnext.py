"""ResNeXt: the variants, and the parameter table that follows from each.

Section 3 of https://arxiv.org/abs/1611.05431; names of tensors: torchvision/models/resnet.py of
https://github.com/pytorch/vision at v0.29.2, which timm and paddle.vision share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from convert.archs.spec import Norm
from convert.archs.staged import StagedSpec
from convert.params import BATCH_NORM_EPS, Param, Row, Shape, batch_norm, linear

STEM = 7  # side of the first convolution, of stride 2
EXPANSION = 4  # channels of a block over those of its stage's first planes
PLANES = 64  # that a width per group is stated for


@dataclass(frozen=True, kw_only=True)
class ResNeXtSpec(StagedSpec):
    """One variant of ResNeXt.

    Attributes:
        dims: channels in each stage.
        groups: of every 3x3 convolution; the paper's cardinality.
        width: channels of a group in the first stage.
        eps: of every batch norm, as Paddle keeps it.
    """

    stem_key: ClassVar[str] = "conv1.weight"
    head_key: ClassVar[str] = "fc.weight"
    head_bias_key: ClassVar[str] = "fc.bias"

    dims: tuple[int, ...] = (256, 512, 1024, 2048)
    groups: int = 32
    width: int = 4
    eps: float = BATCH_NORM_EPS

    @property
    def block_names(self) -> tuple[str, ...]:
        return tuple(f"layer{i}.{j}" for i, depth in enumerate(self.depths, start=1) for j in range(depth))

    @property
    def norm(self) -> Norm:
        return Norm.BATCH

    @property
    def max_pool(self) -> bool:
        return True

    @property
    def stem_width(self) -> int:
        """Channels of the first convolution."""
        return max(1, self.dims[0] // EXPANSION)

    def inner(self, dim: int) -> int:
        """Channels of the 3x3 convolution of a block that has `dim` at its end."""
        return max(1, dim // EXPANSION * self.width // PLANES) * self.groups

    def rows(self) -> Iterator[Row]:
        yield _conv("conv1", out=self.stem_width, in_per_group=self.in_chans, kernel=STEM)
        yield from batch_norm("bn1", self.stem_width)
        before = self.stem_width
        for i, (depth, dim) in enumerate(self.stages, start=1):
            for j in range(depth):
                yield from self._block(f"layer{i}.{j}", before, dim)
                before = dim
        if self.num_classes:
            yield from linear("fc", out=self.num_classes, in_=self.features)

    def _block(self, name: str, before: int, dim: int) -> Iterator[Row]:
        inner = self.inner(dim)
        yield _conv(f"{name}.conv1", out=inner, in_per_group=before)
        yield from batch_norm(f"{name}.bn1", inner)
        yield _conv(f"{name}.conv2", out=inner, in_per_group=inner // self.groups, kernel=3)
        yield from batch_norm(f"{name}.bn2", inner)
        yield _conv(f"{name}.conv3", out=dim, in_per_group=inner)
        yield from batch_norm(f"{name}.bn3", dim)
        if name.endswith(".0"):
            yield _conv(f"{name}.downsample.0", out=dim, in_per_group=before)
            yield from batch_norm(f"{name}.downsample.1", dim)

    def _lacks_last_norm(self, shapes: Mapping[str, Shape]) -> bool:  # noqa: ARG002 - as every family's
        return False  # none has one


def _conv(name: str, *, out: int, in_per_group: int, kernel: int = 1) -> Param:
    return Param(f"{name}.weight", (out, in_per_group, kernel, kernel))


VARIANTS = (
    ResNeXtSpec(name="resnext50_32x4d", depths=(3, 4, 6, 3), groups=32, width=4),
    ResNeXtSpec(name="resnext50_64x4d", depths=(3, 4, 6, 3), groups=64, width=4),
    ResNeXtSpec(name="resnext101_32x4d", depths=(3, 4, 23, 3), groups=32, width=4),
    ResNeXtSpec(name="resnext101_64x4d", depths=(3, 4, 23, 3), groups=64, width=4),
    ResNeXtSpec(name="resnext101_32x8d", depths=(3, 4, 23, 3), groups=32, width=8),
    ResNeXtSpec(name="resnext101_32x16d", depths=(3, 4, 23, 3), groups=32, width=16),
    ResNeXtSpec(name="resnext101_32x32d", depths=(3, 4, 23, 3), groups=32, width=32),
    ResNeXtSpec(name="resnext101_32x48d", depths=(3, 4, 23, 3), groups=32, width=48),
    ResNeXtSpec(name="resnext152_32x4d", depths=(3, 8, 36, 3), groups=32, width=4),
    ResNeXtSpec(name="resnext152_64x4d", depths=(3, 8, 36, 3), groups=64, width=4),
)
