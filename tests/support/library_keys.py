"""Small networks of every kind, and state dicts under another library's keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from twins import TINY

from convert.archs import ArchSpec
from convert.archs.convnext import Stem
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.archs.spec import Norm
from convert.arrays import Array
from convert.key_formats import names_for

SMALL: dict[str, ArchSpec] = {
    "plain": TINY,
    "1x1 convolutions": dataclasses.replace(TINY, conv_mlp=True),
    "version 2": dataclasses.replace(TINY, layer_scale=False, grn=True),
    "overlapping stem": dataclasses.replace(TINY, stem_kind=Stem.OVERLAP_TIERED),
    "norm without shift": dataclasses.replace(TINY, norm=Norm.RMS),
    "hidden layer in the head": dataclasses.replace(TINY, head_hidden=10),
    "head norm first": dataclasses.replace(TINY, head_norm_first=True),
    "isotropic": ConvNeXtIsotropicSpec(name="tiny_isotropic", depth=3, dim=6, num_classes=6),
}


def stored(spec: ArchSpec, key_format: str, weights: Mapping[str, Array]) -> dict[str, Array]:
    """Weights of official names as that library stores them; views."""
    names = names_for(spec, key_format)
    return {key: weights[name].reshape(reshape.theirs(weights[name].shape)) for name, (key, reshape) in names.items()}
