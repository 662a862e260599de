"""The units that every ConvNeXt is made of; models_torch/layers.py and its twin have the modules."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from convert.archs.spec import ArchSpec, Norm
from verify.reference.steps import Conv, Gelu, Linear, NormStep, ResponseNorm, Scale, Step
from verify.reference.unit import FEATURES, OUTPUT, Unit


def block(spec: ArchSpec, name: str) -> Unit:
    """A residual block."""
    steps: list[Step] = [
        Conv(f"{name}.dwconv", padding=spec.kernel // 2, depthwise=True),
        norm(spec, f"{name}.norm"),
        Linear(f"{name}.pwconv1"),
        gelu(spec, f"{name}.gelu"),
    ]
    if spec.grn:
        steps.append(ResponseNorm(f"{name}.grn"))
    steps.append(Linear(f"{name}.pwconv2"))
    if spec.layer_scale:
        steps.append(Scale(f"{name}.gamma"))
    return Unit(name, tuple(steps), shortcut=True)


def head(spec: ArchSpec, *features: Step, hidden: tuple[str, ...] = ()) -> Iterator[Unit]:
    """What follows the last block, up to the logits, or up to the features of a model without a head.

    What precedes a Linear is taken before it, so that pooling and norm may stand in any order.

    Args:
        spec: the architecture.
        features: pooling and norm, in the order in which they run.
        hidden: names of the Linear layers before the last one, each with a GELU after it.
    """
    names = (FEATURES, *hidden, *([OUTPUT] if spec.num_classes else []))
    for name, following in zip_longest(names, names[1:], fillvalue=""):
        yield Unit(name, features if name == FEATURES else _layer(spec, name), before=following)


def _layer(spec: ArchSpec, name: str) -> tuple[Step, ...]:
    linear = Linear(name)
    return (linear,) if name == OUTPUT else (linear, gelu(spec, f"the GELU after {name}"))


def norm(spec: ArchSpec, name: str) -> NormStep:
    eps = spec.last_norm_eps if name == spec.last_norm_name else spec.eps
    return NormStep(name, kind=spec.norm, eps=eps, unbiased=spec.norm is Norm.SIMPLE)


def gelu(spec: ArchSpec, name: str) -> Gelu:
    return Gelu(name, form="tanh" if spec.gelu_tanh else "exact")
