"""The units that a network is compared by: stem, downsampling layers, blocks, pooled features, the head's layers."""

from __future__ import annotations

from convert.archs.convnext import DOWNSAMPLE, KERNEL, PATCH, ConvNeXtSpec, Norm, Stem
from convert.archs.convnext_isotropic import PATCH as ISOTROPIC_PATCH
from convert.archs.spec import ArchSpec
from verify.reference.steps import Conv, Gelu, Linear, NormStep, Pool, ResponseNorm, Scale, Step
from verify.reference.unit import OUTPUT, Unit

FEATURES = "features"  # what the first Linear of the head gets: mean over height and width, and the last norm

# The leading parts of a tensor's name that name its unit, which is also a module of both models.
MODULES = {"stem": 1, "downsample_layers": 2, "stages": 3, "blocks": 2}
LAST_NORMS = ("norm", "norm_pre")


def unit_name(tensor: str) -> str:
    """Name of the unit that a tensor of the parameter table belongs to."""
    parts = tensor.split(".")
    return FEATURES if parts[0] in LAST_NORMS else ".".join(parts[: MODULES.get(parts[0], 1)])


def tensors_of(spec: ArchSpec, name: str) -> tuple[str, ...]:
    """Official names of the unit's tensors, in the table's order."""
    return tuple(param.torch_name for param in spec.params() if unit_name(param.torch_name) == name)


def build_unit(spec: ArchSpec, name: str) -> Unit:
    """The unit of that name, as a list of steps.

    Raises:
        ValueError: the architecture has no such unit.
    """
    if not tensors_of(spec, name):
        raise ValueError(f"{spec.name} has no unit {name}")
    kind = name.partition(".")[0]
    if kind in ("stages", "blocks"):
        return _block(spec, name)
    if kind == "downsample_layers":
        return _downsampling(spec, name)
    if kind == "stem":
        return Unit((Conv(name, stride=ISOTROPIC_PATCH),))
    if name == FEATURES:
        return _features(spec)
    hidden = name != OUTPUT
    return Unit((Linear(name), *([_gelu(spec, f"the GELU after {name}")] if hidden else [])))


def _block(spec: ArchSpec, name: str) -> Unit:
    steps: list[Step] = [
        Conv(f"{name}.dwconv", padding=KERNEL // 2, depthwise=True),
        _norm(spec, f"{name}.norm"),
        Linear(f"{name}.pwconv1"),
        _gelu(spec, f"{name}.gelu"),
    ]
    if isinstance(spec, ConvNeXtSpec) and spec.grn:
        steps.append(ResponseNorm(f"{name}.grn"))
    steps.append(Linear(f"{name}.pwconv2"))
    if isinstance(spec, ConvNeXtSpec) and spec.layer_scale:
        steps.append(Scale(f"{name}.gamma"))
    return Unit(tuple(steps), shortcut=True)


def _downsampling(spec: ArchSpec, name: str) -> Unit:
    if name != "downsample_layers.0":
        return Unit((_norm(spec, f"{name}.0"), Conv(f"{name}.1", stride=DOWNSAMPLE)))
    assert isinstance(spec, ConvNeXtSpec)
    last = _norm(spec, f"{name}.{spec.stem_norm_position}")
    if spec.stem_kind is Stem.PATCH:
        return Unit((Conv(f"{name}.0", stride=PATCH), last))
    between = [_gelu(spec, f"{name}.1")] if spec.stem_kind is Stem.OVERLAP_ACT else []
    convs = [Conv(f"{name}.{i}", stride=2, padding=1) for i in (0, spec.stem_norm_position - 1)]
    return Unit((convs[0], *between, convs[1], last))


def _features(spec: ArchSpec) -> Unit:
    pool = Pool("the mean over height and width")
    if isinstance(spec, ConvNeXtSpec) and spec.head_norm_first:
        return Unit((_norm(spec, spec.last_norm_name), pool))
    return Unit((pool, _norm(spec, "norm")))


def _norm(spec: ArchSpec, name: str) -> NormStep:
    kind = spec.norm if isinstance(spec, ConvNeXtSpec) else Norm.LAYER
    return NormStep(name, kind=kind, eps=spec.eps, unbiased=kind is Norm.SIMPLE)


def _gelu(spec: ArchSpec, name: str) -> Gelu:
    return Gelu(name, form="tanh" if isinstance(spec, ConvNeXtSpec) and spec.gelu_tanh else "exact")
