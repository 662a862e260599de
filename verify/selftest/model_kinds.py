"""Every kind of fault in a model, with the networks and the places that it fits."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from convert.archs.spec import ArchSpec, Norm
from verify.gates import FLOAT32, FLOAT64, STRUCTURE


class PlantedIn(enum.Enum):
    """What a fault is planted in."""

    BLOCK = "block"
    STAGE = "stage"
    MODEL = "model"


@dataclass(frozen=True)
class ModelKind:
    """A kind of fault in Paddle's model.

    Attributes:
        name: in verify/selftest/paddle_models.py.
        planted_in: what has it.
        gate: that sees it first.
        fits: whether it changes anything in that architecture.
    """

    name: str
    planted_in: PlantedIn
    gate: str = FLOAT64.name
    fits: Callable[[ArchSpec], bool] = lambda _: True

    def places(self, spec: ArchSpec) -> list[str]:
        """The units of the architecture that can have it; "" is the model itself."""
        if not self.fits(spec):
            return []
        if self.planted_in is PlantedIn.MODEL:
            return [""]
        if self.planted_in is PlantedIn.BLOCK:
            return list(spec.block_names)
        stages = [block.rpartition(".")[0] for block in spec.block_names]
        return sorted({stage for stage in stages if stages.count(stage) > 1})


def _has_channel_norms(spec: ArchSpec) -> bool:
    return spec.norm is not Norm.BATCH


def _has_batch_norms(spec: ArchSpec) -> bool:
    return spec.norm is Norm.BATCH


def _has_max_pool(spec: ArchSpec) -> bool:
    return spec.max_pool


def _has_gamma(spec: ArchSpec) -> bool:
    return spec.layer_scale


def _has_grn(spec: ArchSpec) -> bool:
    return spec.grn


def _has_variance(spec: ArchSpec) -> bool:
    return spec.norm in (Norm.LAYER, Norm.SIMPLE)


MODEL_KINDS: tuple[ModelKind, ...] = (
    ModelKind("another eps", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("unbiased variance", PlantedIn.BLOCK, fits=_has_variance),
    ModelKind("norm left out", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("tanh GELU", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("sigmoid GELU", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("gamma ignored", PlantedIn.BLOCK, fits=_has_gamma),
    ModelKind("shortcut left out", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("kernel flipped", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("kernel transposed", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("bias of a Linear dropped", PlantedIn.BLOCK, fits=_has_channel_norms),
    ModelKind("GRN by the spectral norm", PlantedIn.BLOCK, fits=_has_grn),
    ModelKind("GRN over the channels", PlantedIn.BLOCK, fits=_has_grn),
    ModelKind("GRN without its shortcut", PlantedIn.BLOCK, fits=_has_grn),
    ModelKind("batch norms' statistics at their initial value", PlantedIn.BLOCK, STRUCTURE.name, fits=_has_batch_norms),
    ModelKind("batch norms' mean and variance exchanged", PlantedIn.BLOCK, STRUCTURE.name, fits=_has_batch_norms),
    ModelKind("batch norms' eps 1e-3", PlantedIn.BLOCK, fits=_has_batch_norms),
    ModelKind("batch norms by the batch", PlantedIn.BLOCK, fits=_has_batch_norms),
    ModelKind("Caffe's max pool", PlantedIn.MODEL, fits=_has_max_pool),
    ModelKind("blocks in another order", PlantedIn.STAGE, fits=_has_channel_norms),
    ModelKind("the last norm's eps", PlantedIn.MODEL, fits=_has_channel_norms),
    ModelKind("norm and mean exchanged", PlantedIn.MODEL, fits=_has_channel_norms),
    ModelKind("pooling by maximum", PlantedIn.MODEL, fits=_has_channel_norms),
    ModelKind("the head's bias dropped", PlantedIn.MODEL),
    ModelKind("channels reversed", PlantedIn.MODEL),
    ModelKind("height and width exchanged", PlantedIn.MODEL),
    # Every block's, as automatic mixed precision does. Rounded once, in one place, a small network's logits may move by
    # less than eight times float32's own error, which the float32 gate lets pass by its definition.
    ModelKind("half-precision activations", PlantedIn.MODEL, FLOAT32.name),
    ModelKind("bfloat16 activations", PlantedIn.MODEL, FLOAT32.name),
)
