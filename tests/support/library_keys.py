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
from convert.frameworks import PADDLE
from convert.key_formats import names_for
from convert.targets import target_named

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
    """Weights of official names, in PyTorch's layout, as that library stores them; views."""
    names = names_for(spec, key_format)
    official = dict(weights)
    if target_named(key_format).frameworks == (PADDLE,):
        official = {param.torch_name: param.layout.to_paddle(weights[param.torch_name]) for param in spec.params()}
    shapes = {name: reshape.theirs(official[name].shape) for name, (_, reshape) in names.items()}
    turned = {name: official[name].T if reshape.turns else official[name] for name, (_, reshape) in names.items()}
    return {key: turned[name].reshape(shapes[name]) for name, (key, _) in names.items()}
