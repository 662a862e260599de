"""A ConvNeXt of somebody's own: its depths, widths and kernels are read off its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from convert.archs.convnext import KERNEL, PATCH, ConvNeXtSpec, Stem
from convert.archs.spec import EPS_ASSUMED, GELU_ASSUMED
from convert.params import Shape

ASSUMED = (EPS_ASSUMED, GELU_ASSUMED, "strides as the kernels of stem and downsampling", "no dilation")
DWCONV = re.compile(r"stages\.(\d{1,3})\.(\d{1,3})\.dwconv\.weight")
STEM_KEY = ConvNeXtSpec.stem_key
STEM_NORMS = {1: Stem.PATCH, 2: Stem.OVERLAP, 3: Stem.OVERLAP_ACT}  # by the norm's position in the stem


def read_off(shapes: Mapping[str, Shape]) -> ConvNeXtSpec | None:
    """The ConvNeXt whose table may have these tensors; None where they are no one's, or do not tell its kind of norm.

    Args:
        shapes: official names to shapes in either framework's layout. The comparison with the table tells whether the
            rest of them fits.
    """
    kernels = {_place(match): shapes[name] for name in shapes if (match := DWCONV.fullmatch(name))}
    depths = tuple(_depths(set(kernels)))
    stem = shapes.get(STEM_KEY, ())
    norms = [place for place in STEM_NORMS if len(shapes.get(f"downsample_layers.0.{place}.bias", ())) == 1]
    square = all(len(shape) == 4 and shape[2] == shape[3] for shape in (stem, *kernels.values()))
    sides = {shape[2] for shape in kernels.values()} if square else set()
    if not depths or len(sides) != 1 or not norms or "stages.0.0.norm.bias" not in shapes:
        return None
    stem_kind = _stem_kind(shapes, norms[-1])
    spec = ConvNeXtSpec(
        name="",
        depths=depths,
        dims=tuple(kernels[i, 0][0] for i in range(len(depths))),
        kernel=sides.pop(),
        patch=stem[2] if stem_kind is Stem.PATCH else PATCH,
        stem_kind=stem_kind,
        layer_scale="stages.0.0.gamma" in shapes,
        grn="stages.0.0.grn.gamma" in shapes,
        head_norm_first="norm_pre.weight" in shapes,
        head_hidden=next(iter(shapes.get("pre_logits.bias", ())), 0),
        assumed=ASSUMED,
    )
    return replace(spec, name=_describe(spec)) if spec.kernel % 2 else None


def _place(match: re.Match[str]) -> tuple[int, int]:
    return int(match[1]), int(match[2])


def _depths(places: set[tuple[int, int]]) -> list[int]:
    """Number of blocks of each stage; empty where a stage or a block is missing."""
    counts: dict[int, int] = {}
    for stage, _ in places:
        counts[stage] = counts.get(stage, 0) + 1
    whole = places == {(i, j) for i in range(len(counts)) for j in range(counts.get(i, 0))}
    return [counts[i] for i in range(len(counts))] if whole else []


def _stem_kind(shapes: Mapping[str, Shape], norm: int) -> Stem:
    if norm == 2 and shapes[STEM_KEY][0] != shapes["downsample_layers.0.2.bias"][0]:
        return Stem.OVERLAP_TIERED
    return STEM_NORMS[norm]


def _describe(spec: ConvNeXtSpec) -> str:
    """ "own ConvNeXt: depths (2, 2, 4, 2), dims (24, 32, 48, 64), kernel 5": what differs from the authors' is told."""
    parts = [f"depths {spec.depths}", f"dims {spec.dims}"]
    if spec.kernel != KERNEL:
        parts.append(f"kernel {spec.kernel}")
    if spec.stem_kind is Stem.PATCH and spec.patch != PATCH:
        parts.append(f"patch {spec.patch}")
    if spec.stem_kind is not Stem.PATCH:
        parts.append(f"{spec.stem_kind.value} stem")
    parts += [text for text, told in (("no gamma", not spec.layer_scale), ("GRN", spec.grn)) if told]
    if spec.head_norm_first:
        parts.append("last norm first")
    if spec.head_hidden:
        parts.append(f"hidden layer of {spec.head_hidden}")
    return f"own ConvNeXt: {', '.join(parts)}"
