"""The names of isotropic ConvNeXt's tensors: no library but the authors' own code has it.

official       models/convnext_isotropic.py of https://github.com/facebookresearch/ConvNeXt at 048efce
"""

from __future__ import annotations

from convert.archs.convnext_isotropic import ConvNeXtIsotropicSpec
from convert.key_formats.rules import KeyFormat, Rule

_OFFICIAL = (
    "stem.{p}",
    "blocks.{j}.gamma",
    "blocks.{j}.dwconv.{p}",
    "blocks.{j}.norm.{p}",
    "blocks.{j}.pwconv{k}.{p}",
    "norm.{p}",
    "head.{p}",
)

OFFICIAL = KeyFormat("official isotropic", "blocks.{j}.dwconv.weight", tuple(Rule(name, name) for name in _OFFICIAL))

KEY_FORMATS = (OFFICIAL,)


def formats_to_write(spec: ConvNeXtIsotropicSpec) -> dict[str, KeyFormat]:  # noqa: ARG001 - as every family's
    """For the one target the one format, whatever the variant."""
    return {"official": OFFICIAL}
