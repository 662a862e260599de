"""ConvNeXt: its variants, and the parameter table that follows from each.

Depths and widths: section 3 of https://arxiv.org/abs/2201.03545; names of tensors: models/convnext.py of
https://github.com/facebookresearch/ConvNeXt at 048efce. Width and depth of atto: timm 1.0.31, `convnext_atto`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from convert.params import Param, Shape, conv, linear, norm

PATCH = 4  # side and stride of the stem's convolution
KERNEL = 7  # side of every depthwise convolution
DOWNSAMPLE = 2  # side and stride of the convolution between stages


@dataclass(frozen=True, kw_only=True)
class ConvNeXtSpec:
    """One variant.

    Attributes:
        name: the architecture's name, as upstream and on the command line.
        depths: blocks in each stage.
        dims: channels in each stage.
        num_classes: outputs of the head.
        in_chans: channels of the input image.
        eps: of every LayerNorm, added to the variance.
    """

    name: str
    depths: tuple[int, ...]
    dims: tuple[int, ...]
    num_classes: int = 1000
    in_chans: int = 3
    eps: float = 1e-6

    def params(self) -> tuple[Param, ...]:
        """The parameter table, in the order of the forward pass within each part of the official state dict."""
        return tuple(_params(self))

    def drop_path_rates(self, last: float) -> list[float]:
        """Stochastic depth's rate for each block over all stages, growing linearly from 0 to `last`."""
        count = sum(self.depths)
        return [last * i / max(count - 1, 1) for i in range(count)]

    def fitted_to(self, shapes: Mapping[str, Shape]) -> ConvNeXtSpec:
        """This variant with the number of classes and of input channels that the tensors have.

        Args:
            shapes: official PyTorch names to shapes. What is missing or of another rank leaves the default in place;
                the comparison with the table then reports it.
        """
        head = shapes.get("head.weight", ())
        stem = shapes.get("downsample_layers.0.0.weight", ())
        return dataclasses.replace(
            self,
            num_classes=head[0] if len(head) == 2 else self.num_classes,
            in_chans=stem[1] if len(stem) == 4 else self.in_chans,
        )


def _params(spec: ConvNeXtSpec) -> Iterator[Param]:
    yield from _downsample_layers(spec)
    for i, (depth, dim) in enumerate(zip(spec.depths, spec.dims, strict=True)):
        for j in range(depth):
            yield from _block(f"stages.{i}.{j}", dim)
    yield from norm("norm", spec.dims[-1])
    yield from linear("head", out=spec.num_classes, in_=spec.dims[-1])


def _downsample_layers(spec: ConvNeXtSpec) -> Iterator[Param]:
    yield from conv("downsample_layers.0.0", out=spec.dims[0], in_per_group=spec.in_chans, kernel=PATCH)
    yield from norm("downsample_layers.0.1", spec.dims[0])
    for i, (dim, next_dim) in enumerate(pairwise(spec.dims), start=1):
        yield from norm(f"downsample_layers.{i}.0", dim)
        yield from conv(f"downsample_layers.{i}.1", out=next_dim, in_per_group=dim, kernel=DOWNSAMPLE)


def _block(name: str, dim: int) -> Iterator[Param]:
    yield Param(f"{name}.gamma", (dim,))
    yield from conv(f"{name}.dwconv", out=dim, in_per_group=1, kernel=KERNEL)
    yield from norm(f"{name}.norm", dim)
    yield from linear(f"{name}.pwconv1", out=4 * dim, in_=dim)
    yield from linear(f"{name}.pwconv2", out=dim, in_=4 * dim)


VARIANTS = (
    ConvNeXtSpec(name="convnext_atto", depths=(2, 2, 6, 2), dims=(40, 80, 160, 320)),
    ConvNeXtSpec(name="convnext_tiny", depths=(3, 3, 9, 3), dims=(96, 192, 384, 768)),
    ConvNeXtSpec(name="convnext_small", depths=(3, 3, 27, 3), dims=(96, 192, 384, 768)),
    ConvNeXtSpec(name="convnext_base", depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024)),
    ConvNeXtSpec(name="convnext_large", depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536)),
    ConvNeXtSpec(name="convnext_xlarge", depths=(3, 3, 27, 3), dims=(256, 512, 1024, 2048)),
    # The bundled sample's own: trained on handwritten digits by scripts/train_sample.py.
    ConvNeXtSpec(name="convnext_digits", depths=(1, 1, 3, 1), dims=(20, 40, 80, 160), num_classes=10),
)
