"""PyTorch's side of a pair. Loaded in its own process only."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from convert.arrays import Array
from convert.errors import FerryError
from verify.pairing.messages import RoundConstants, SetTensor
from verify.pairing.side import Side
from verify.pairing.survey import LayerFact, Role, TensorFact

NORM_ROLES = {
    "weight": Role.SCALE,
    "bias": Role.SHIFT,
    "running_mean": Role.MEAN,
    "running_var": Role.VARIANCE,
    "num_batches_tracked": Role.COUNTER,
}
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


class TorchSide(Side):
    """Holds one PyTorch model."""

    framework = "torch"
    settings = {  # noqa: RUF012 - one table for all
        "eps": ("eps",),
        "stride": ("stride",),
        "padding": ("padding",),
        "dilation": ("dilation",),
        "groups": ("groups",),
        "kernel_size": ("kernel_size",),
    }

    after_hook = "register_forward_hook"

    def version(self) -> str:
        return str(torch.__version__)

    def library_model(self, library: str, name: str, arguments: dict[str, Any]) -> Any:
        if library == "timm":
            return importlib.import_module("timm").create_model(name, pretrained=False, **arguments)
        if library == "torchvision":
            models = importlib.import_module("torchvision.models")
            # A detector's trunk is downloaded unless it is told not to be.
            if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
                arguments = {"weights_backbone": None, **arguments}
            return models.get_model(name, **{"weights": None, **arguments})
        raise FerryError(
            f"{library}:{name} is a model of Paddle; --torch takes timm:NAME, torchvision:NAME or CODE:NAME"
        )

    def cast(self, dtype: str) -> None:
        if not isinstance(self.model, nn.Module):
            raise FerryError(f"it is of type {type(self.model).__name__}, and no torch.nn.Module")
        self.model.to(getattr(torch, dtype)).eval()

    def state_arrays(self) -> dict[str, Array]:
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.state().items()}

    def layers(self) -> list[tuple[str, Any]]:
        return list(self.model.named_modules())

    def fact(self, path: str, layer: Any) -> LayerFact:
        prefix, persistent = f"{path}." if path else "", self.state().keys()
        own = {**dict(layer.named_parameters(recurse=False)), **dict(layer.named_buffers(recurse=False))}
        tensors = tuple(
            TensorFact(
                prefix + leaf,
                tuple(tensor.shape),
                str(tensor.dtype).removeprefix("torch."),
                role_of(layer, leaf, tensor),
            )
            for leaf, tensor in own.items()
            if prefix + leaf in persistent
        )
        kind = type(layer)
        return LayerFact(path, f"{kind.__module__}.{kind.__qualname__}", tensors, self.setting_values(layer))

    def tensor(self, values: Array) -> Any:
        return torch.from_numpy(values.copy())

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor)

    def call(self, batch: Array) -> Any:
        with torch.no_grad():
            return self.model(torch.from_numpy(batch.copy()))

    def set_tensor(self, job: SetTensor) -> None:
        with torch.no_grad():
            self.state()[job.name].copy_(torch.from_numpy(job.values.copy()))

    def round_constants(self, job: RoundConstants) -> None:
        super().round_constants(job)
        for layer in self.model.modules():
            if type(layer).__name__ in ("Hardsigmoid", "HardSigmoid"):
                layer.forward = paddle_hardsigmoid

    def set_training(self, training: bool) -> None:
        self.model.train(training)
        for layer in self.model.modules():
            if isinstance(layer, _NormBase):
                layer.eval()


def paddle_hardsigmoid(x: torch.Tensor) -> torch.Tensor:
    """As paddle.nn.functional.hardsigmoid computes it, whose slope is written out with seven digits.

    https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/functional/hardsigmoid_en.html
    """
    return torch.clamp(x * 0.1666667 + 0.5, 0, 1)


def role_of(layer: Any, leaf: str, tensor: Any) -> Role:
    """What a tensor does in its layer."""
    if leaf == "num_batches_tracked":
        return Role.COUNTER
    if not tensor.is_floating_point():
        return Role.INTEGER
    if isinstance(layer, NORMS) or "Norm" in type(layer).__name__:
        return NORM_ROLES.get(leaf, Role.OTHER)
    if isinstance(layer, nn.Linear):
        return {"weight": Role.MATRIX, "bias": Role.BIAS}.get(leaf, Role.OTHER)
    if isinstance(layer, _ConvNd):
        pointwise = set(layer.kernel_size) == {1} and layer.groups == 1 and not isinstance(layer, _ConvTransposeNd)
        return {"weight": Role.MATRIX if pointwise else Role.KERNEL, "bias": Role.BIAS}.get(leaf, Role.OTHER)
    if isinstance(layer, nn.PReLU):
        return Role.SLOPE
    if isinstance(layer, nn.MultiheadAttention):
        return {"in_proj_weight": Role.MATRIX, "in_proj_bias": Role.BIAS}.get(leaf, Role.OTHER)
    return Role.OTHER


def make_side() -> TorchSide:
    """This process' side."""
    return TorchSide()
