"""A network that tutorials call ResNeXt-50 and that is another: wider, and with a shortcut convolution on every block.

Against the published one its 3x3 convolutions are half as wide as the output of their blocks in every stage, the last
convolution of each block has a bias, and a softmax stands inside the forward pass: it answers with probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from convert.archs.resnext import STEM
from convert.archs.spec import Norm
from convert.archs.staged import StagedSpec
from convert.params import BATCH_NORM_EPS, Param, Row, Shape, batch_norm, conv, linear

STRIDE = 32  # of the whole trunk
NOISE = 32  # pixels by which an image may be wider than its height


@dataclass(frozen=True, kw_only=True)
class ResNeXtBlogSpec(StagedSpec):
    """The network of the tutorials.

    Attributes:
        depths: blocks in each stage.
        dims: channels in each stage, twice those of its 3x3 convolutions.
        groups: of every 3x3 convolution.
        pool: side of the one window whose mean is taken at the end; positions outside it are ignored.
        softmax: whether the model answers with probabilities; logits are what two models are compared by.
        eps: of every batch norm, as Paddle keeps it.
    """

    stem_key: ClassVar[str] = "conv1.seq.0.weight"
    head_key: ClassVar[str] = "fc.weight"
    head_bias_key: ClassVar[str] = "fc.bias"

    depths: tuple[int, ...] = (3, 4, 6, 3)
    dims: tuple[int, ...] = (256, 512, 1024, 2048)
    groups: int = 32
    pool: int = 7
    softmax: bool = True
    eps: float = BATCH_NORM_EPS

    @property
    def block_names(self) -> tuple[str, ...]:
        return tuple(f"conv{i}.{j}" for i, depth in enumerate(self.depths, start=2) for j in range(depth))

    @property
    def compared(self) -> ResNeXtBlogSpec:
        return replace(self, softmax=False)

    @property
    def answer(self) -> str:
        return f"{super().answer}, as probabilities" if self.num_classes and self.softmax else super().answer

    @property
    def sizes(self) -> range:
        return range(STRIDE * (self.pool - 1) + 1, STRIDE * (2 * self.pool - 1) - NOISE + 1)

    @property
    def norm(self) -> Norm:
        return Norm.BATCH

    @property
    def max_pool(self) -> bool:
        return True

    @property
    def stem_width(self) -> int:
        """Channels of the first convolution."""
        return max(1, self.dims[0] // 4)

    def inner(self, dim: int) -> int:
        """Channels of the 3x3 convolution of a block that has `dim` at its end."""
        return max(1, dim // (2 * self.groups)) * self.groups

    def rows(self) -> Iterator[Row]:
        yield from _conv_and_norm("conv1.seq", out=self.stem_width, in_per_group=self.in_chans, kernel=STEM)
        before = self.stem_width
        for i, (depth, dim) in enumerate(self.stages, start=2):
            for j in range(depth):
                yield from self._block(f"conv{i}.{j}", before, dim)
                before = dim
        if self.num_classes:
            yield from linear("fc", out=self.num_classes, in_=self.features)

    def _block(self, name: str, before: int, dim: int) -> Iterator[Row]:
        inner = self.inner(dim)
        yield from _conv_and_norm(f"{name}.conv1.seq", out=inner, in_per_group=before)
        yield from _conv_and_norm(f"{name}.conv2.seq", out=inner, in_per_group=inner // self.groups, kernel=3)
        yield from conv(f"{name}.conv3", out=dim, in_per_group=inner, kernel=1)
        yield from batch_norm(f"{name}.bn", dim)
        yield from _conv_and_norm(f"{name}.short_cut", out=dim, in_per_group=before)

    def _lacks_last_norm(self, shapes: Mapping[str, Shape]) -> bool:  # noqa: ARG002 - as every family's
        return False  # there is none


def _conv_and_norm(name: str, *, out: int, in_per_group: int, kernel: int = 1) -> Iterator[Row]:
    """A convolution without bias at place 0 of a sequence, and its batch norm at place 1."""
    yield Param(f"{name}.0.weight", (out, in_per_group, kernel, kernel))
    yield from batch_norm(f"{name}.1", out)


VARIANTS = (ResNeXtBlogSpec(name="resnext50_blog"),)
