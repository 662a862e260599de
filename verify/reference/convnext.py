"""ConvNeXt and ConvNeXt V2, unit by unit."""

from __future__ import annotations

from collections.abc import Iterator

from convert.archs.convnext import DOWNSAMPLE, ConvNeXtSpec, Stem
from verify.reference.parts import block, gelu, head, norm
from verify.reference.steps import Conv, Pool, Step
from verify.reference.unit import Unit


def units(spec: ConvNeXtSpec) -> Iterator[Unit]:
    """The network's units in the order in which they run."""
    for i, depth in enumerate(spec.depths):
        name = f"downsample_layers.{i}"
        yield Unit(name, _downsampling(spec, name) if i else _stem(spec, name))
        for j in range(depth):
            yield block(spec, f"stages.{i}.{j}")
    hidden = ("pre_logits",) if spec.head_hidden else ()
    yield from head(spec, *_features(spec), hidden=hidden)


def _stem(spec: ConvNeXtSpec, name: str) -> tuple[Step, ...]:
    last = norm(spec, f"{name}.{spec.stem_norm_position}")
    if spec.stem_kind is Stem.PATCH:
        return Conv(f"{name}.0", stride=spec.patch), last
    between = [gelu(spec, f"{name}.1")] if spec.stem_kind is Stem.OVERLAP_ACT else []
    convs = [Conv(f"{name}.{i}", stride=2, padding=1) for i in (0, spec.stem_norm_position - 1)]
    return convs[0], *between, convs[1], last


def _downsampling(spec: ConvNeXtSpec, name: str) -> tuple[Step, ...]:
    return norm(spec, f"{name}.0"), Conv(f"{name}.1", stride=DOWNSAMPLE)


def _features(spec: ConvNeXtSpec) -> tuple[Step, ...]:
    pool, last = Pool(), norm(spec, spec.last_norm_name)
    if not spec.last_norm:
        return (pool,)
    return (last, pool) if spec.head_norm_first else (pool, last)
