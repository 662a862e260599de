"""Tiny twins of the architectures, and weights under which no fault can hide."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from convert.archs.convnext import ConvNeXtSpec, Stem
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.archs.replknet import RepLKNetSpec
from convert.archs.resnext import ResNeXtSpec
from convert.archs.resnext_blog import ResNeXtBlogSpec
from convert.archs.spec import ArchSpec, Norm
from convert.arrays import Array
from convert.params import Param
from verify.selftest.weights import distinct_weights

# One stage of depth 3 and the others of 1, every stage of another width, and a square head, whose shape hides a
# transpose that was forgotten.
TINY = ConvNeXtSpec(name="tiny_twin", depths=(1, 1, 3, 1), dims=(4, 6, 8, 10), num_classes=10)
GRAY = dataclasses.replace(TINY, name="gray_twin", num_classes=7, in_chans=1)

IMAGE = (2, 3, 64, 96)  # not square, so that height and width cannot be exchanged unseen


def carried(params: Iterable[Param], weights: Mapping[str, Array]) -> dict[str, Array]:
    """Weights of any dtype under Paddle's names and in Paddle's layout, as the table states them."""
    return {param.paddle_name: param.layout.to_paddle(weights[param.torch_name]) for param in params}


def random_image(shape: tuple[int, ...] = IMAGE, seed: int = 1) -> Array:
    """Float64 input of order 1."""
    return np.random.default_rng(seed).normal(size=shape)


def max_rel(actual: Array, expected: Array) -> float:
    """max|actual - expected| / max|expected|; NaN where either has one."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def randomised(shapes: Mapping[str, tuple[int, ...]], seed: int = 0, dtype: str = "float64") -> dict[str, Array]:
    """`distinct_weights` under any library's own keys, for a model that takes no name from us."""
    return distinct_weights([Param(name, tuple(shape)) for name, shape in shapes.items()], seed, dtype)


V2 = dataclasses.replace(TINY, name="v2_twin", layer_scale=False, grn=True)
RMS = dataclasses.replace(TINY, name="rms_twin", norm=Norm.RMS, stem_kind=Stem.OVERLAP_TIERED)
SIMPLE = dataclasses.replace(TINY, name="simple_twin", norm=Norm.SIMPLE, stem_kind=Stem.OVERLAP_ACT)
HIDDEN = dataclasses.replace(
    TINY, name="hidden_twin", head_norm_first=True, head_hidden=10, stem_kind=Stem.OVERLAP, gelu_tanh=True
)
ISOTROPIC = ConvNeXtIsotropicSpec(name="isotropic_twin", depth=3, dim=6, num_classes=6)
# Two groups, of 2 to 5 channels; planes of 4 to 10 at a width of 32 for 64.
RESNEXT = ResNeXtSpec(
    name="resnext_twin", depths=(1, 1, 3, 1), dims=(16, 24, 32, 40), groups=2, width=32, num_classes=40
)
BLOG = ResNeXtBlogSpec(name="blog_twin", depths=(1, 1, 3, 1), dims=(16, 24, 32, 40), groups=2, pool=2, num_classes=40)

# Kernels beyond the maps of the last stages, each with a small one beside it; merged; and without the small ones.
REPLKNET = RepLKNetSpec(
    name="replknet_twin", depths=(1, 1, 2, 1), dims=(4, 6, 8, 10), kernels=(9, 7, 7, 5), small_kernel=3, num_classes=10
)
REPLKNET_MERGED = dataclasses.replace(REPLKNET, name="replknet_merged_twin", merged=True)
REPLKNET_XL = dataclasses.replace(REPLKNET, name="replknet_xl_twin", small_kernel=0, dw_ratio=1.5)

# Without a head, and one of them without a last norm.
BACKBONES: tuple[ArchSpec, ...] = (
    dataclasses.replace(TINY, name="headless_twin", num_classes=0),
    dataclasses.replace(V2, name="bare_twin", num_classes=0, last_norm=False),
    dataclasses.replace(HIDDEN, name="hidden_headless_twin", num_classes=0),
    dataclasses.replace(ISOTROPIC, name="isotropic_headless_twin", num_classes=0),
    dataclasses.replace(RESNEXT, name="resnext_headless_twin", num_classes=0),
    dataclasses.replace(REPLKNET, name="replknet_headless_twin", num_classes=0),
)

FAMILIES: tuple[ArchSpec, ...] = (
    *(TINY, V2, RMS, SIMPLE, HIDDEN, ISOTROPIC),
    *(RESNEXT, BLOG),
    *(REPLKNET, REPLKNET_MERGED, REPLKNET_XL),
    *BACKBONES,
)
