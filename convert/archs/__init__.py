"""Every architecture by name. A new family is a new module with its rows, listed here."""

from __future__ import annotations

from convert.archs import convnext, convnext_isotropic
from convert.archs.aliases import ALIASES
from convert.archs.spec import ArchSpec
from convert.errors import UnknownArch, did_you_mean

__all__ = ["ARCHS", "ArchSpec", "get_spec"]

FAMILIES: tuple[tuple[ArchSpec, ...], ...] = (convnext.VARIANTS, convnext_isotropic.VARIANTS)
ARCHS: dict[str, ArchSpec] = {spec.name: spec for family in FAMILIES for spec in family}


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
