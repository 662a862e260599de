"""A tiny twin of each kind of network, by what it is there for."""

from __future__ import annotations

import dataclasses

from weights import TINY

from convert.archs.convnext import Norm, Stem
from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.archs.spec import ArchSpec

V2 = dataclasses.replace(TINY, name="v2_twin", layer_scale=False, grn=True)
RMS = dataclasses.replace(TINY, name="rms_twin", norm=Norm.RMS, stem_kind=Stem.OVERLAP_TIERED)
SIMPLE = dataclasses.replace(TINY, name="simple_twin", norm=Norm.SIMPLE, stem_kind=Stem.OVERLAP_ACT)
HIDDEN = dataclasses.replace(
    TINY, name="hidden_twin", head_norm_first=True, head_hidden=10, stem_kind=Stem.OVERLAP, gelu_tanh=True
)
ISOTROPIC = ConvNeXtIsotropicSpec(name="isotropic_twin", depth=3, dim=6, num_classes=6)

FAMILIES: tuple[ArchSpec, ...] = (TINY, V2, RMS, SIMPLE, HIDDEN, ISOTROPIC)
