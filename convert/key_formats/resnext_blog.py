"""The names of the tutorials' own ResNeXt-50, which no library has: those of its code."""

from __future__ import annotations

from convert.archs.resnext_blog import ResNeXtBlogSpec
from convert.key_formats.rules import KeyFormat, Rule

_OFFICIAL = (
    "conv1.seq.0.weight",
    "conv1.seq.1.{b}",
    "conv{i}.{j}.conv{k}.seq.0.weight",
    "conv{i}.{j}.conv{k}.seq.1.{b}",
    "conv{i}.{j}.conv3.{p}",
    "conv{i}.{j}.bn.{b}",
    "conv{i}.{j}.short_cut.0.weight",
    "conv{i}.{j}.short_cut.1.{b}",
    "fc.{p}",
)

OFFICIAL = KeyFormat(
    "tutorial ResNeXt", "conv{i}.{j}.conv1.seq.0.weight", tuple(Rule(name, name) for name in _OFFICIAL)
)

KEY_FORMATS = (OFFICIAL,)


def formats_to_write(spec: ResNeXtBlogSpec) -> dict[str, KeyFormat]:  # noqa: ARG001 - as every family's
    """For the one target the one format."""
    return {"official": OFFICIAL}
