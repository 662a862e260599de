"""ConvNeXt and ConvNeXt V2: the variants, and the parameter table that follows from each.

Depths and widths: section 3 of https://arxiv.org/abs/2201.03545 and table 11 of https://arxiv.org/abs/2301.00808.
Names of tensors: models/convnext.py of https://github.com/facebookresearch/ConvNeXt at 048efce and
models/convnextv2.py of https://github.com/facebookresearch/ConvNeXt-V2 at 2553895. Variants that only timm has:
timm/models/convnext.py of https://github.com/huggingface/pytorch-image-models at v1.0.31.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from convert.archs.spec import Norm, Stage
from convert.archs.staged import StagedSpec
from convert.params import Param, Shape, conv, linear, norm

PATCH = 4  # side and stride of the patch stem's convolution, as the authors have it
OVERLAP = 3  # side of an overlapping stem's two convolutions, each of stride 2
KERNEL = 7  # side of every depthwise convolution of the authors
DOWNSAMPLE = 2  # side and stride of the convolution between stages


class Stem(enum.Enum):
    """The layers before the first stage. The members' values are timm's words."""

    PATCH = "patch"  # one convolution, norm
    OVERLAP = "overlap"  # two convolutions, norm
    OVERLAP_TIERED = "overlap_tiered"  # two convolutions, the first of half the width; norm
    OVERLAP_ACT = "overlap_act"  # two convolutions with a GELU between them, norm


@dataclass(frozen=True, kw_only=True)
class ConvNeXtSpec(StagedSpec):
    """One variant of ConvNeXt or ConvNeXt V2.

    Attributes:
        stem_kind: kind of the stem.
        norm: kind of every norm.
        gelu_tanh: whether GELU is its tanh approximation.
        layer_scale: whether each block ends with a `gamma`.
        grn: whether global response normalisation stands between GELU and the second Linear (V2).
        head_hidden: width of a hidden layer before the classifier, whose output is then the features; 0 for none.
        head_norm_first: whether the last norm comes before the mean over height and width; it is `norm_pre` then.
        conv_mlp: whether timm stores the blocks' Linear layers as 1x1 convolutions.
        kernel: side of every depthwise convolution, odd.
        patch: side and stride of a patch stem's convolution.
    """

    stem_key: ClassVar[str] = "downsample_layers.0.0.weight"

    stem_kind: Stem = Stem.PATCH
    norm: Norm = Norm.LAYER
    gelu_tanh: bool = False
    layer_scale: bool = True
    grn: bool = False
    head_hidden: int = 0
    head_norm_first: bool = False
    conv_mlp: bool = False
    kernel: int = KERNEL
    patch: int = PATCH

    @property
    def block_names(self) -> tuple[str, ...]:
        return tuple(f"stages.{i}.{j}" for i, depth in enumerate(self.depths) for j in range(depth))

    def resized(self, stages: Sequence[Stage]) -> ConvNeXtSpec:
        resized = super().resized(stages)
        return replace(resized, head_hidden=self.head_hidden * resized.dims[-1] // self.dims[-1])

    @property
    def features(self) -> int:
        return self.head_hidden or self.dims[-1]

    @property
    def multiple_of(self) -> int:
        stem = self.patch if self.stem_kind is Stem.PATCH else PATCH
        return stem * DOWNSAMPLE ** (len(self.dims) - 1) if self.same_padding else 1

    @property
    def stem_width(self) -> int:
        """Channels between an overlapping stem's two convolutions."""
        return _divisible(self.dims[0] // 2) if self.stem_kind is Stem.OVERLAP_TIERED else self.dims[0]

    @property
    def stem_norm_position(self) -> int:
        """Position of the norm among the stem's layers; the layer before it is its last convolution."""
        positions = {Stem.PATCH: 1, Stem.OVERLAP: 2, Stem.OVERLAP_TIERED: 2, Stem.OVERLAP_ACT: 3}
        return positions[self.stem_kind]

    @property
    def last_norm_name(self) -> str:
        return "norm_pre" if self.head_norm_first else "norm"

    def rows(self) -> Iterator[Param]:
        yield from self._downsample_layers()
        for i, (depth, dim) in enumerate(zip(self.depths, self.dims, strict=True)):
            for j in range(depth):
                yield from self._block(f"stages.{i}.{j}", dim)
        if self.last_norm:
            yield from self._norm(self.last_norm_name, self.dims[-1])
        if self.head_hidden:
            yield from linear("pre_logits", out=self.head_hidden, in_=self.dims[-1])
        if self.num_classes:
            yield from linear("head", out=self.num_classes, in_=self.features)

    def _downsample_layers(self) -> Iterator[Param]:
        yield from self._stem("downsample_layers.0")
        for i, (dim, next_dim) in enumerate(pairwise(self.dims), start=1):
            yield from self._norm(f"downsample_layers.{i}.0", dim)
            yield from conv(f"downsample_layers.{i}.1", out=next_dim, in_per_group=dim, kernel=DOWNSAMPLE)

    def _stem(self, name: str) -> Iterator[Param]:
        width, dim = self.stem_width, self.dims[0]
        if self.stem_kind is Stem.PATCH:
            yield from conv(f"{name}.0", out=dim, in_per_group=self.in_chans, kernel=self.patch)
        else:
            yield from conv(f"{name}.0", out=width, in_per_group=self.in_chans, kernel=OVERLAP)
            second = self.stem_norm_position - 1
            yield from conv(f"{name}.{second}", out=dim, in_per_group=width, kernel=OVERLAP)
        yield from self._norm(f"{name}.{self.stem_norm_position}", dim)

    def _block(self, name: str, dim: int) -> Iterator[Param]:
        if self.layer_scale:
            yield Param(f"{name}.gamma", (dim,))
        yield from conv(f"{name}.dwconv", out=dim, in_per_group=1, kernel=self.kernel)
        yield from self._norm(f"{name}.norm", dim)
        yield from linear(f"{name}.pwconv1", out=4 * dim, in_=dim)
        if self.grn:
            yield Param(f"{name}.grn.gamma", (1, 1, 1, 4 * dim))
            yield Param(f"{name}.grn.beta", (1, 1, 1, 4 * dim))
        yield from linear(f"{name}.pwconv2", out=dim, in_=4 * dim)

    def _lacks_last_norm(self, shapes: Mapping[str, Shape]) -> bool:
        # A model whose last norm comes first is, without it, the one whose norm comes last: that one is recognised.
        return not self.head_norm_first and super()._lacks_last_norm(shapes)

    def _norm(self, name: str, dim: int) -> Iterator[Param]:
        return norm(name, dim, shift=self.norm is Norm.LAYER)


def _divisible(width: int, divisor: int = 8) -> int:
    """timm's `make_divisible` (timm/layers/helpers.py): the nearest multiple, and not under 90 % of the width."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


VARIANTS = (
    ConvNeXtSpec(
        name="convnext_zepto_rms", depths=(2, 2, 4, 2), dims=(32, 64, 128, 256), norm=Norm.SIMPLE, conv_mlp=True
    ),
    ConvNeXtSpec(
        name="convnext_zepto_rms_ols",
        depths=(2, 2, 4, 2),
        dims=(32, 64, 128, 256),
        norm=Norm.SIMPLE,
        stem_kind=Stem.OVERLAP_ACT,
        conv_mlp=True,
    ),
    ConvNeXtSpec(name="convnext_atto", depths=(2, 2, 6, 2), dims=(40, 80, 160, 320), conv_mlp=True),
    ConvNeXtSpec(
        name="convnext_atto_ols",
        depths=(2, 2, 6, 2),
        dims=(40, 80, 160, 320),
        stem_kind=Stem.OVERLAP_TIERED,
        conv_mlp=True,
    ),
    ConvNeXtSpec(name="convnext_atto_rms", depths=(2, 2, 6, 2), dims=(40, 80, 160, 320), norm=Norm.RMS, conv_mlp=True),
    ConvNeXtSpec(name="convnext_femto", depths=(2, 2, 6, 2), dims=(48, 96, 192, 384), conv_mlp=True),
    ConvNeXtSpec(
        name="convnext_femto_ols",
        depths=(2, 2, 6, 2),
        dims=(48, 96, 192, 384),
        stem_kind=Stem.OVERLAP_TIERED,
        conv_mlp=True,
    ),
    ConvNeXtSpec(name="convnext_pico", depths=(2, 2, 6, 2), dims=(64, 128, 256, 512), conv_mlp=True),
    ConvNeXtSpec(
        name="convnext_pico_ols",
        depths=(2, 2, 6, 2),
        dims=(64, 128, 256, 512),
        stem_kind=Stem.OVERLAP_TIERED,
        conv_mlp=True,
    ),
    ConvNeXtSpec(name="convnext_nano", depths=(2, 2, 8, 2), dims=(80, 160, 320, 640), conv_mlp=True),
    ConvNeXtSpec(
        name="convnext_nano_ols", depths=(2, 2, 8, 2), dims=(80, 160, 320, 640), stem_kind=Stem.OVERLAP, conv_mlp=True
    ),
    ConvNeXtSpec(name="convnext_tiny", depths=(3, 3, 9, 3), dims=(96, 192, 384, 768)),
    ConvNeXtSpec(
        name="convnext_tiny_hnf", depths=(3, 3, 9, 3), dims=(96, 192, 384, 768), head_norm_first=True, conv_mlp=True
    ),
    ConvNeXtSpec(name="convnext_small", depths=(3, 3, 27, 3), dims=(96, 192, 384, 768)),
    ConvNeXtSpec(name="convnext_base", depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024)),
    ConvNeXtSpec(name="convnext_large", depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536)),
    ConvNeXtSpec(name="convnext_large_mlp", depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536), head_hidden=1536),
    ConvNeXtSpec(name="convnext_xlarge", depths=(3, 3, 27, 3), dims=(256, 512, 1024, 2048)),
    ConvNeXtSpec(name="convnext_xxlarge", depths=(3, 4, 30, 3), dims=(384, 768, 1536, 3072), eps=1e-5),
    # Version 2: global response normalisation in place of LayerScale.
    ConvNeXtSpec(
        name="convnextv2_atto", depths=(2, 2, 6, 2), dims=(40, 80, 160, 320), layer_scale=False, grn=True, conv_mlp=True
    ),
    ConvNeXtSpec(
        name="convnextv2_femto",
        depths=(2, 2, 6, 2),
        dims=(48, 96, 192, 384),
        layer_scale=False,
        grn=True,
        conv_mlp=True,
    ),
    ConvNeXtSpec(
        name="convnextv2_pico",
        depths=(2, 2, 6, 2),
        dims=(64, 128, 256, 512),
        layer_scale=False,
        grn=True,
        conv_mlp=True,
    ),
    ConvNeXtSpec(
        name="convnextv2_nano",
        depths=(2, 2, 8, 2),
        dims=(80, 160, 320, 640),
        layer_scale=False,
        grn=True,
        conv_mlp=True,
    ),
    ConvNeXtSpec(name="convnextv2_tiny", depths=(3, 3, 9, 3), dims=(96, 192, 384, 768), layer_scale=False, grn=True),
    ConvNeXtSpec(name="convnextv2_small", depths=(3, 3, 27, 3), dims=(96, 192, 384, 768), layer_scale=False, grn=True),
    ConvNeXtSpec(name="convnextv2_base", depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024), layer_scale=False, grn=True),
    ConvNeXtSpec(
        name="convnextv2_large", depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536), layer_scale=False, grn=True
    ),
    ConvNeXtSpec(
        name="convnextv2_huge", depths=(3, 3, 27, 3), dims=(352, 704, 1408, 2816), layer_scale=False, grn=True
    ),
    # timm's own, for its tests; test_convnext3 has another activation.
    ConvNeXtSpec(name="test_convnext", depths=(1, 2, 4, 2), dims=(24, 32, 48, 64), eps=1e-5, gelu_tanh=True),
    ConvNeXtSpec(name="test_convnext2", depths=(1, 1, 1, 1), dims=(32, 64, 96, 128), eps=1e-5, gelu_tanh=True),
    # The bundled sample's own: trained on handwritten digits by scripts/train_sample.py.
    ConvNeXtSpec(name="convnext_digits", depths=(1, 1, 3, 1), dims=(20, 40, 80, 160), num_classes=10),
)
