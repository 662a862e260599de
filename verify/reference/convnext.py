"""The units that a network is compared by: stem, downsampling layers, blocks, pooled features, the head's layers."""

from __future__ import annotations

from convert.archs import convnext, convnext_isotropic
from convert.archs.convnext import ConvNeXtSpec, Stem
from convert.archs.spec import ArchSpec
from verify.reference.steps import Conv, Gelu, Linear, Norm, Pool, ResponseNorm, Scale, Step
from verify.reference.unit import OUTPUT, Plan

FEATURES = "features"  # what the first Linear of the head gets: mean over height and width, and the last norm

# The leading parts of a tensor's name that name its unit, which is also a module of both models.
MODULES = {"stem": 1, "downsample_layers": 2, "stages": 3, "blocks": 2}
LAST_NORMS = ("norm", "norm_pre")


def unit_of(tensor: str) -> str:
    """The unit that a tensor of the parameter table belongs to."""
    parts = tensor.split(".")
    return FEATURES if parts[0] in LAST_NORMS else ".".join(parts[: MODULES.get(parts[0], 1)])


def tensors_of(spec: ArchSpec, unit: str) -> tuple[str, ...]:
    """Official names of the unit's tensors, in the table's order."""
    return tuple(param.torch_name for param in spec.params() if unit_of(param.torch_name) == unit)


def plan_of(spec: ArchSpec, unit: str) -> Plan:
    """What the unit computes.

    Raises:
        ValueError: the architecture has no such unit.
    """
    if not tensors_of(spec, unit):
        raise ValueError(f"{spec.name} has no unit {unit}")
    kind = unit.partition(".")[0]
    if kind in ("stages", "blocks"):
        return _block(spec, unit)
    if kind == "downsample_layers":
        return _downsampling(spec, unit)
    if kind == "stem":
        return Plan((Conv(unit, stride=convnext_isotropic.PATCH),))
    if unit == FEATURES:
        return _features(spec)
    hidden = unit != OUTPUT
    return Plan((Linear(unit), *([_gelu(spec, f"the GELU after {unit}")] if hidden else [])))


def _block(spec: ArchSpec, unit: str) -> Plan:
    steps: list[Step] = [
        Conv(f"{unit}.dwconv", padding=convnext.KERNEL // 2, depthwise=True),
        _norm(spec, f"{unit}.norm"),
        Linear(f"{unit}.pwconv1"),
        _gelu(spec, f"{unit}.gelu"),
    ]
    if isinstance(spec, ConvNeXtSpec) and spec.grn:
        steps.append(ResponseNorm(f"{unit}.grn"))
    steps.append(Linear(f"{unit}.pwconv2"))
    if isinstance(spec, ConvNeXtSpec) and spec.layer_scale:
        steps.append(Scale(f"{unit}.gamma"))
    return Plan(tuple(steps), shortcut=True)


def _downsampling(spec: ArchSpec, unit: str) -> Plan:
    if unit != "downsample_layers.0":
        return Plan((_norm(spec, f"{unit}.0"), Conv(f"{unit}.1", stride=convnext.DOWNSAMPLE)))
    assert isinstance(spec, ConvNeXtSpec)
    last = _norm(spec, f"{unit}.{spec.stem_norm_position}")
    if spec.stem_kind is Stem.PATCH:
        return Plan((Conv(f"{unit}.0", stride=convnext.PATCH), last))
    between = [_gelu(spec, f"{unit}.1")] if spec.stem_kind is Stem.OVERLAP_ACT else []
    convs = [Conv(f"{unit}.{i}", stride=2, padding=1) for i in (0, spec.stem_norm_position - 1)]
    return Plan((convs[0], *between, convs[1], last))


def _features(spec: ArchSpec) -> Plan:
    pool = Pool("the mean over height and width")
    if isinstance(spec, ConvNeXtSpec) and spec.head_norm_first:
        return Plan((_norm(spec, spec.last_norm_name), pool))
    return Plan((pool, _norm(spec, "norm")))


def _norm(spec: ArchSpec, name: str) -> Norm:
    kind = spec.norm if isinstance(spec, ConvNeXtSpec) else convnext.Norm.LAYER
    return Norm(name, kind=kind, eps=spec.eps, unbiased=kind is convnext.Norm.SIMPLE)


def _gelu(spec: ArchSpec, name: str) -> Gelu:
    return Gelu(name, form="tanh" if isinstance(spec, ConvNeXtSpec) and spec.gelu_tanh else "exact")
