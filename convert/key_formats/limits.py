"""What a library cannot build, although it has a name for every tensor. Sources as in `formats.py`.

torchvision    three input channels, written out. Its eps is 1e-6 unless `block` and `norm_layer` say another.
transformers   the eps of every norm but the last is 1e-6, written out; `layer_norm_eps` is the last one's alone.
mmpretrain     eps and channels as its config says.
None of the three has a norm without a shift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from convert.archs.convnext import ConvNeXtSpec, Norm
from convert.archs.spec import ArchSpec

USUAL_EPS = 1e-6  # of the authors' norms, and of every library's unless it is told another


@dataclass(frozen=True)
class Limit:
    """One thing that a library lacks.

    Attributes:
        lacks: in the words of a message, after "it has no".
        concerns: whether an architecture needs it.
    """

    lacks: str
    concerns: Callable[[ArchSpec], bool]


def _has_other_norm(spec: ArchSpec) -> bool:
    return isinstance(spec, ConvNeXtSpec) and spec.norm is not Norm.LAYER


_SHIFT = Limit("norm without a shift", _has_other_norm)
_EPS = Limit("eps but 1e-06 in its inner norms", lambda spec: spec.eps != USUAL_EPS)
_CHANNELS = Limit("image but one of 3 channels", lambda spec: spec.in_chans != 3)

LIMITS: Mapping[str, tuple[Limit, ...]] = {
    "torchvision": (_SHIFT, _CHANNELS),
    "transformers": (_SHIFT, _EPS),
    "mmpretrain": (_SHIFT,),
}


def lacking(spec: ArchSpec, name: str) -> str:
    """What the library of that name lacks for the architecture; "" if nothing."""
    return next((limit.lacks for limit in LIMITS.get(name, ()) if limit.concerns(spec)), "")
