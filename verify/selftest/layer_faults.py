"""Faults in a Paddle model that is not ours, planted in its worker by `verify.pairing.builders`; a layer has each."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from verify.pairing.side import Side

LAYERS = "verify.selftest.layer_faults:layers_of"
Edit = Callable[[Side, Any], None]


def plant(side: Side, fault: str) -> None:
    """Plants a fault, "NAME@LAYER", in a model; the layer "" is the model itself."""
    warnings.filterwarnings("ignore", message="When training")  # a norm that was told to use its batch's statistics
    name, _, path = fault.partition("@")
    FAULTS[name](side, dict(side.layers())[path])


def layers_of(model: Any, shape: Sequence[int]) -> dict[str, tuple[str, ...]]:
    """Name of each fault to the layers that can have it, of those that the model runs for an image (N, C, H, W)."""
    called: set[int] = set()
    layers = {path: layer for path, layer in model.named_sublayers(include_self=True) if path}
    hooks = [layer.register_forward_pre_hook(lambda layer, _: called.add(id(layer))) for layer in layers.values()]
    with paddle.no_grad():
        model(paddle.zeros(shape, "float64"))
    for hook in hooks:
        hook.remove()
    layers = {path: layer for path, layer in layers.items() if id(layer) in called}
    return {name: tuple(path for path, layer in layers.items() if fits(layer)) for name, fits in FITS.items()}


def _wrap(change: Callable[[Callable[..., Any], Any], Any]) -> Edit:
    """Makes an edit by which a layer answers `change(forward, x)`."""

    def edit(_: Side, layer: Any) -> None:
        forward = layer.forward
        layer.forward = types.MethodType(lambda _, x: change(forward, x), layer)

    return edit


def _other_eps(side: Side, layer: Any) -> None:
    name = next(name for name in side.settings["eps"] if isinstance(getattr(layer, name, None), float))
    setattr(layer, name, float(np.float32(1e-3 if getattr(layer, name) < 1e-4 else 1e-5)))


def _batch_statistics(_: Side, layer: Any) -> None:
    layer.training = True
    layer.train = types.MethodType(lambda *_: None, layer)


def _rounded(dtype: str, only: str = "") -> Edit:
    def change(forward: Callable[..., Any], x: Any) -> Any:
        answer = forward(x)
        if only and str(answer.dtype) != f"paddle.{only}":
            return answer
        return answer.astype(dtype).astype(answer.dtype)

    return _wrap(change)


def _has_eps(layer: Any) -> bool:
    return any(isinstance(getattr(layer, name, None), float) for name in ("_epsilon", "epsilon", "eps"))


NORMS = (nn.BatchNorm, nn.BatchNorm1D, nn.BatchNorm2D, nn.BatchNorm3D)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.Silu, nn.Swish, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.LeakyReLU)
OWNERS = (nn.Linear, nn.Conv2D)

FAULTS: dict[str, Edit] = {
    "another eps": _other_eps,
    "statistics of the batch": _batch_statistics,
    "an activation left out": _wrap(lambda _, x: x),
    "an output rounded to half": _rounded("float16"),
    "an output doubled": _wrap(lambda forward, x: forward(x) * 2),
    "a bias left out": lambda side, layer: _wrap(lambda forward, x: forward(x) - _spread(layer))(side, layer),
    "height and width exchanged": _wrap(lambda forward, x: forward(x.transpose([0, 1, 3, 2])).transpose([0, 1, 3, 2])),
    "the input's channels reversed": _wrap(lambda forward, x: forward(x.flip([1]))),
    "the answers reversed": _wrap(lambda forward, x: forward(x).flip([-1])),
    "float32 rounded to half": _rounded("float16", only="float32"),
}
FITS: dict[str, Callable[[Any], bool]] = {
    "another eps": _has_eps,
    "statistics of the batch": lambda layer: isinstance(layer, NORMS),
    "an activation left out": lambda layer: isinstance(layer, ACTIVATIONS),
    "an output rounded to half": lambda layer: isinstance(layer, OWNERS),
    "an output doubled": lambda layer: isinstance(layer, OWNERS),
    "a bias left out": lambda layer: isinstance(layer, OWNERS) and layer.bias is not None,
    "height and width exchanged": lambda layer: isinstance(layer, nn.Conv2D) and max(layer._kernel_size) > 1,
}


def _spread(layer: Any) -> Any:
    """The bias as its layer adds it."""
    return layer.bias.reshape([1, -1, 1, 1]) if isinstance(layer, nn.Conv2D) else layer.bias
