"""How a library evaluates one of its models: the protocol that it keeps beside the weights. Nothing is downloaded."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from verify.recipes.protocol import INTERPOLATIONS, SQUASH, Protocol

SAID_BY = "verify.pairing.evaluation:evaluation_of"


@dataclass(frozen=True)
class Evaluation:
    """A library's own protocol.

    Attributes:
        protocol: how it prepares images for the model.
        said_by: where it says so, for people.
    """

    protocol: Protocol
    said_by: str


def evaluation_of(model: Any, reference: str, file: str) -> Evaluation | None:
    """The protocol of a model of timm or torchvision; None of another one's. Called in PyTorch's process.

    Args:
        model: as it was built.
        reference: what it was built by, `timm:resnet50`.
        file: name of the checkpoint's file, which may be that of one of torchvision's.
    """
    library, _, name = reference.partition(":")
    if library == "timm":
        return _of_timm(getattr(model, "pretrained_cfg", None), name)
    return _of_torchvision(name, file) if library == "torchvision" else None


def _of_timm(config: Any, name: str) -> Evaluation | None:
    if not isinstance(config, dict) or not config.get("input_size"):
        return None
    size, tag = int(config["input_size"][1]), config.get("tag")
    squash = config.get("crop_mode") == "squash"
    resize = SQUASH if squash else max(size, int(size / (config.get("crop_pct") or 0.875)))
    mean, std = tuple(config.get("mean", ())), tuple(config.get("std", ()))
    usual = Protocol()
    protocol = Protocol(
        size=size,
        resize=resize,
        interpolation=_known(config.get("interpolation")),
        mean=(mean[0], mean[1], mean[2]) if len(mean) == 3 else usual.mean,
        std=(std[0], std[1], std[2]) if len(std) == 3 else usual.std,
    )
    tagged = f"{name.partition('.')[0]}.{tag}" if tag else name
    return Evaluation(protocol, f"timm's for {tagged}")


def _of_torchvision(name: str, file: str) -> Evaluation | None:
    models: Any = importlib.import_module("torchvision.models")
    published = list(models.get_model_weights(name))
    if not published:
        return None
    named = [weights for weights in published if str(weights.url).rpartition("/")[2] == file]
    weights = named[0] if named else models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    if not all(hasattr(transforms, field) for field in ("crop_size", "resize_size", "interpolation")):
        return None
    size, resize = (int(getattr(transforms, field)[0]) for field in ("crop_size", "resize_size"))
    mean, std = transforms.mean, transforms.std
    protocol = Protocol(
        size=size,
        resize=max(size, resize),
        interpolation=_known(transforms.interpolation.value),
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
    )
    return Evaluation(protocol, f"torchvision's for {type(weights).__name__}.{weights.name}")


def _known(interpolation: Any) -> str:
    return interpolation if interpolation in INTERPOLATIONS else Protocol().interpolation
