"""RepLKNet, unit by unit, as it is trained and merged."""

from __future__ import annotations

from collections.abc import Iterator

from convert.archs.replknet import RepLKNetSpec
from verify.reference.batch_steps import BatchNorm, Relu, Sum
from verify.reference.parts import gelu, head
from verify.reference.steps import Conv, Pool, Step
from verify.reference.unit import Unit


def units(spec: RepLKNetSpec) -> Iterator[Unit]:
    """The network's units in the order in which they run."""
    yield Unit("stem.0", _conv_bn_relu("stem.0", stride=2, padding=1))
    yield Unit("stem.1", _conv_bn_relu("stem.1", padding=1, depthwise=True))
    yield Unit("stem.2", _conv_bn_relu("stem.2"))
    yield Unit("stem.3", _conv_bn_relu("stem.3", stride=2, padding=1, depthwise=True))
    for i, depth in enumerate(spec.depths):
        if i:
            name = f"transitions.{i - 1}"
            widen = _conv_bn_relu(f"{name}.0")
            yield Unit(name, (*widen, *_conv_bn_relu(f"{name}.1", stride=2, padding=1, depthwise=True)))
        for j in range(depth):
            yield _large_kernel_block(spec, i, f"stages.{i}.blocks.{2 * j}")
            yield _feed_forward_block(spec, f"stages.{i}.blocks.{2 * j + 1}")
    yield from head(spec, *([BatchNorm("norm")] if spec.last_norm else []), Pool())


def _large_kernel_block(spec: RepLKNetSpec, stage: int, name: str) -> Unit:
    steps = (
        BatchNorm(f"{name}.prelkb_bn"),
        *_conv_bn_relu(f"{name}.pw1"),
        *_large_kernel(spec, stage, f"{name}.large_kernel"),
        Relu(f"{name}.lk_nonlinear"),
        *_conv_bn(f"{name}.pw2"),
    )
    return Unit(name, steps, shortcut=True)


def _large_kernel(spec: RepLKNetSpec, stage: int, name: str) -> tuple[Step, ...]:
    padding = spec.kernels[stage] // 2
    if spec.merged:
        return (Conv(f"{name}.lkb_reparam", padding=padding, depthwise=True),)
    large = _conv_bn(f"{name}.lkb_origin", padding=padding, depthwise=True)
    if not spec.small_kernel:
        return large
    small = _conv_bn(f"{name}.small_conv", padding=spec.small_kernel // 2, depthwise=True)
    return (Sum(name, branches=(large, small)),)


def _feed_forward_block(spec: RepLKNetSpec, name: str) -> Unit:
    activation = gelu(spec, f"{name}.nonlinear")
    steps = (BatchNorm(f"{name}.preffn_bn"), *_conv_bn(f"{name}.pw1"), activation, *_conv_bn(f"{name}.pw2"))
    return Unit(name, steps, shortcut=True)


def _conv_bn(name: str, *, stride: int = 1, padding: int = 0, depthwise: bool = False) -> tuple[Step, ...]:
    conv = Conv(f"{name}.conv", stride=stride, padding=padding, depthwise=depthwise)
    return conv, BatchNorm(f"{name}.bn")


def _conv_bn_relu(name: str, *, stride: int = 1, padding: int = 0, depthwise: bool = False) -> tuple[Step, ...]:
    return (*_conv_bn(name, stride=stride, padding=padding, depthwise=depthwise), Relu(f"the ReLU of {name}"))
