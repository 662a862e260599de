"""Paddle's side of a pair. Loaded in its own process only."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

from convert.arrays import Array
from convert.errors import FerryError
from verify.pairing.messages import SetTensor
from verify.pairing.side import Side
from verify.pairing.survey import LayerFact, Role, TensorFact
from verify.workers.settings import no_folder_needed

with no_folder_needed(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")
    import paddle
    from paddle import nn

NORM_ROLES = {
    "weight": Role.SCALE,
    "bias": Role.SHIFT,
    "_mean": Role.MEAN,
    "_variance": Role.VARIANCE,
}
NORMS = tuple(
    getattr(nn, name)
    for name in ("BatchNorm", "BatchNorm1D", "BatchNorm2D", "BatchNorm3D", "SyncBatchNorm", "LayerNorm", "GroupNorm")
)
STATISTICS = NORMS[:5]
CONVOLUTIONS = (nn.Conv1D, nn.Conv2D, nn.Conv3D)
TRANSPOSED = (nn.Conv1DTranspose, nn.Conv2DTranspose, nn.Conv3DTranspose)


class PaddleSide(Side):
    """Holds one Paddle model."""

    framework = "paddle"
    settings = {  # noqa: RUF012 - one table for all
        "eps": ("_epsilon", "epsilon", "eps"),
        "stride": ("_stride", "stride"),
        "padding": ("_padding", "padding"),
        "dilation": ("_dilation", "dilation"),
        "groups": ("_groups", "groups"),
        "kernel_size": ("_kernel_size", "kernel_size"),
        "act": ("_act",),
    }

    after_hook = "register_forward_post_hook"

    def version(self) -> str:
        return str(paddle.__version__)

    def library_model(self, library: str, name: str, arguments: dict[str, Any]) -> Any:
        if library != "paddle.vision":
            raise FerryError(f"{library}:{name} is a model of PyTorch; --paddle takes paddle.vision:NAME or CODE:NAME")
        factory = getattr(paddle.vision.models, name, None)
        if factory is None or name not in paddle.vision.models.__all__:
            raise FerryError(f"paddle {paddle.__version__} has no paddle.vision.models.{name}")
        return factory(**arguments)

    def cast(self, dtype: str) -> None:
        if not isinstance(self.model, nn.Layer):
            raise FerryError(f"it is of type {type(self.model).__name__}, and no paddle.nn.Layer")
        # Layer.to casts integers too, and an index of floating-point numbers is none.
        kept = [
            (layer, leaf, tensor.clone())
            for layer in self.model.sublayers(include_self=True)
            for leaf, tensor in {**layer._buffers, **layer._parameters}.items()
            if tensor is not None and not is_floating(tensor)
        ]
        self.model.to(dtype=dtype)
        for layer, leaf, tensor in kept:
            place = layer._buffers if leaf in layer._buffers else layer._parameters
            place[leaf] = tensor
        self.model.eval()

    def state_arrays(self) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in self.state().items()}

    def layers(self) -> list[tuple[str, Any]]:
        return list(self.model.named_sublayers(include_self=True))

    def fact(self, path: str, layer: Any) -> LayerFact:
        prefix, persistent = f"{path}." if path else "", self.state().keys()
        own = {name: tensor for name, tensor in {**layer._parameters, **layer._buffers}.items() if tensor is not None}
        tensors = tuple(
            TensorFact(
                prefix + leaf,
                tuple(tensor.shape),
                str(tensor.dtype).removeprefix("paddle."),
                role_of(layer, leaf, tensor),
                turned=isinstance(layer, nn.Linear) and leaf == "weight",
            )
            for leaf, tensor in own.items()
            if prefix + leaf in persistent
        )
        kind = type(layer)
        return LayerFact(path, f"{kind.__module__}.{kind.__qualname__}", tensors, self.setting_values(layer))

    def tensor(self, values: Array) -> Any:
        return paddle.to_tensor(values)

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, paddle.Tensor)

    def call(self, batch: Array) -> Any:
        with paddle.no_grad():
            return self.model(paddle.to_tensor(batch))

    def set_tensor(self, job: SetTensor) -> None:
        with paddle.no_grad():
            self.state()[job.name].set_value(job.values)

    def set_training(self, training: bool) -> None:
        self.model.train() if training else self.model.eval()
        for layer in self.model.sublayers(include_self=True):
            if isinstance(layer, STATISTICS):
                layer.eval()


def is_floating(tensor: Any) -> bool:
    """Whether its numbers are floating-point ones."""
    return "float" in str(tensor.dtype)


def role_of(layer: Any, leaf: str, tensor: Any) -> Role:
    """What a tensor does in its layer."""
    if not is_floating(tensor):
        return Role.INTEGER
    if isinstance(layer, NORMS) or "Norm" in type(layer).__name__:
        return NORM_ROLES.get(leaf, Role.OTHER)
    # paddle.compat.nn.Linear is no paddle.nn.Linear, and has PyTorch's layout.
    if isinstance(layer, nn.Linear) or type(layer).__name__ == "Linear":
        return {"weight": Role.MATRIX, "bias": Role.BIAS}.get(leaf, Role.OTHER)
    if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED)):
        pointwise = set(layer._kernel_size) == {1} and layer._groups == 1 and not isinstance(layer, TRANSPOSED)
        return {"weight": Role.MATRIX if pointwise else Role.KERNEL, "bias": Role.BIAS}.get(leaf, Role.OTHER)
    return Role.SLOPE if isinstance(layer, nn.PReLU) else Role.OTHER


def make_side() -> PaddleSide:
    """This process' side."""
    paddle.set_device("cpu")
    return PaddleSide()
