"""Every kind of fault in a model, with the networks and the places that it fits."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from convert.archs.convnext import ConvNeXtSpec, Norm
from convert.archs.spec import ArchSpec
from verify.gates.parity import FLOAT32_NAME, FLOAT64_NAME


class Part(enum.Enum):
    """What a fault is planted in."""

    BLOCK = "block"
    STAGE = "stage"
    MODEL = "model"


@dataclass(frozen=True)
class ModelKind:
    """A kind of fault in Paddle's model.

    Attributes:
        name: in verify/selftest/paddle_models.py.
        part: what has it.
        gate: that sees it first.
        fits: whether it changes anything in that architecture.
    """

    name: str
    part: Part
    gate: str = FLOAT64_NAME
    fits: Callable[[ArchSpec], bool] = lambda _: True

    def places(self, spec: ArchSpec) -> list[str]:
        """The units of the architecture that can have it; "" is the model itself."""
        if not self.fits(spec):
            return []
        if self.part is Part.MODEL:
            return [""]
        found = blocks(spec)
        if self.part is Part.BLOCK:
            return found
        stages = [block.rpartition(".")[0] for block in found]
        return sorted({stage for stage in stages if stages.count(stage) > 1})


def blocks(spec: ArchSpec) -> list[str]:
    """Every block's name: stages.2.1, or blocks.1."""
    names = (param.torch_name for param in spec.params())
    return [name.removesuffix(".dwconv.weight") for name in names if name.endswith(".dwconv.weight")]


def _has_gamma(spec: ArchSpec) -> bool:
    return isinstance(spec, ConvNeXtSpec) and spec.layer_scale


def _has_grn(spec: ArchSpec) -> bool:
    return isinstance(spec, ConvNeXtSpec) and spec.grn


def _has_variance(spec: ArchSpec) -> bool:
    return not (isinstance(spec, ConvNeXtSpec) and spec.norm is Norm.RMS)


MODEL_KINDS: tuple[ModelKind, ...] = (
    ModelKind("another eps", Part.BLOCK),
    ModelKind("unbiased variance", Part.BLOCK, fits=_has_variance),
    ModelKind("norm left out", Part.BLOCK),
    ModelKind("tanh GELU", Part.BLOCK),
    ModelKind("sigmoid GELU", Part.BLOCK),
    ModelKind("gamma ignored", Part.BLOCK, fits=_has_gamma),
    ModelKind("shortcut left out", Part.BLOCK),
    ModelKind("kernel flipped", Part.BLOCK),
    ModelKind("kernel transposed", Part.BLOCK),
    ModelKind("bias of a Linear dropped", Part.BLOCK),
    ModelKind("GRN by the spectral norm", Part.BLOCK, fits=_has_grn),
    ModelKind("GRN over the channels", Part.BLOCK, fits=_has_grn),
    ModelKind("GRN without its shortcut", Part.BLOCK, fits=_has_grn),
    ModelKind("blocks in another order", Part.STAGE),
    ModelKind("the last norm's eps", Part.MODEL),
    ModelKind("norm and mean exchanged", Part.MODEL),
    ModelKind("pooling by maximum", Part.MODEL),
    ModelKind("the head's bias dropped", Part.MODEL),
    ModelKind("channels reversed", Part.MODEL),
    ModelKind("height and width exchanged", Part.MODEL),
    # Every block's, as automatic mixed precision does. Rounded once, in one place, a small network's logits may move by
    # less than eight times float32's own error, which the float32 gate lets pass by its definition.
    ModelKind("half-precision activations", Part.MODEL, FLOAT32_NAME),
    ModelKind("bfloat16 activations", Part.MODEL, FLOAT32_NAME),
)
