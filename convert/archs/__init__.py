"""Every architecture by name. A new family is a new module with its rows, listed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convert.archs import convnext, convnext_isotropic, own_convnext, replknet, resnext, resnext_blog
from convert.archs.aliases import ALIASES
from convert.archs.spec import ArchSpec
from convert.errors import UnknownArch, did_you_mean
from convert.params import Shape

__all__ = ["ARCHS", "OWN", "READ_OFF", "ArchSpec", "get_spec"]

FAMILIES: tuple[tuple[ArchSpec, ...], ...] = (
    convnext.VARIANTS,
    convnext_isotropic.VARIANTS,
    resnext.VARIANTS,
    resnext_blog.VARIANTS,
    replknet.VARIANTS,
)
ARCHS: dict[str, ArchSpec] = {spec.name: spec for family in FAMILIES for spec in family}

OWN = "own"  # in the place of a name: whatever network the tensors are, though they be a part of a known one

# What finds the architecture in tensors that are no listed one's: official names to shapes in, a specification out.
READ_OFF: tuple[Callable[[Mapping[str, Shape]], ArchSpec | None], ...] = (own_convnext.read_off,)


def get_spec(arch: str) -> ArchSpec:
    """The architecture of that name, ours or PaddleClas'.

    Raises:
        UnknownArch: no table has it; the text names the closest ones.
    """
    name = ALIASES.get(arch, arch)
    if name in ARCHS:
        return ARCHS[name]
    hint = did_you_mean(arch, ARCHS, otherwise=f"known are {', '.join(ARCHS)}")
    raise UnknownArch(f"unknown architecture {arch!r}; {hint}")
