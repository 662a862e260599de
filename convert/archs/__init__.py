"""Every architecture by name. A new family is a new module with its rows, listed here."""

from __future__ import annotations

import difflib

from convert.archs.convnext import VARIANTS, ConvNeXtSpec
from convert.errors import UnknownArch

ARCHS: dict[str, ConvNeXtSpec] = {spec.name: spec for spec in VARIANTS}


def get_spec(arch: str) -> ConvNeXtSpec:
    """The architecture of that name.

    Raises:
        UnknownArch: no table has it; the text names the closest ones.
    """
    if arch in ARCHS:
        return ARCHS[arch]
    close = difflib.get_close_matches(arch, ARCHS, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"known are {', '.join(ARCHS)}"
    raise UnknownArch(f"unknown architecture {arch!r}; {hint}")
