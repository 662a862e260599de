"""What is taken down of a model, in its own process: its layers, their tensors, and what a forward pass calls."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from convert.params import Shape


class Role(enum.Enum):
    """What a tensor does in its layer, stated from the layer's class and the tensor's name in it."""

    MATRIX = "matrix"  # of a Linear or of a 1x1 convolution
    KERNEL = "kernel"  # of a larger convolution
    BIAS = "bias"
    SCALE = "scale"  # of a norm
    SHIFT = "shift"  # of a norm
    MEAN = "running mean"
    VARIANCE = "running variance"
    SLOPE = "slope"  # of a PReLU
    OTHER = "other"  # a position embedding, a layer scale, a table
    COUNTER = "counter"
    INTEGER = "integer"  # indices, masks: no number to be learned


def is_in(path: str, folder: str) -> bool:
    """Whether a layer lies in another; the model itself has the path ""."""
    return not folder or path.startswith(f"{folder}.")


@dataclass(frozen=True)
class TensorFact:
    """One tensor of a model's state dict.

    Attributes:
        name: key in the state dict.
        shape: as the framework has it.
        dtype: "float32", "int64" and so on.
        role: what it does.
        turned: whether it is a Linear's weight in Paddle's layout, (in, out).
    """

    name: str
    shape: Shape
    dtype: str
    role: Role
    turned: bool = False

    @property
    def canonical(self) -> Shape:
        """The shape by which the two frameworks are compared: of a matrix (out, in), whoever holds it."""
        if self.role is not Role.MATRIX:
            return self.shape
        return self.shape[1::-1] if self.turned else self.shape[:2]

    @property
    def signature(self) -> tuple[Role, Shape]:
        """What a tensor must share with its counterpart."""
        return self.role, self.canonical


@dataclass(frozen=True)
class LayerFact:
    """One layer that owns tensors.

    Attributes:
        path: the module's name in the model; "" for the model itself.
        kind: the class, "torch.nn.modules.conv.Conv2d".
        tensors: its own, in their order.
        settings: attributes that decide what it computes, by PyTorch's word for them: eps, stride, padding.
    """

    path: str
    kind: str
    tensors: tuple[TensorFact, ...]
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Survey:
    """What was taken down of one model.

    Attributes:
        framework: "torch" or "paddle".
        layers: in the order of their definition.
        called: paths of layers in the order in which a forward pass first called them.
        size: (height, width) of the input that it took.
        versions: of the framework and the library, by name.
    """

    framework: str
    layers: tuple[LayerFact, ...]
    called: tuple[str, ...]
    size: tuple[int, int]
    versions: Mapping[str, str]

    @cached_property
    def tensors(self) -> dict[str, TensorFact]:
        """Every tensor by its key."""
        return {tensor.name: tensor for layer in self.layers for tensor in layer.tensors}

    @cached_property
    def owners(self) -> dict[str, LayerFact]:
        """Every tensor's key to the layer that owns it."""
        return {tensor.name: layer for layer in self.layers for tensor in layer.tensors}

    @cached_property
    def by_path(self) -> dict[str, LayerFact]:
        """Every layer by its path."""
        return {layer.path: layer for layer in self.layers}

    @cached_property
    def folders(self) -> frozenset[str]:
        """Paths of layers that own tensors and in which other such layers lie."""
        return frozenset(
            path for path in self.by_path if any(other != path and is_in(other, path) for other in self.by_path)
        )

    def by_definition(self) -> list[TensorFact]:
        """The tensors in the order of their layers' definition."""
        return [tensor for layer in self.layers for tensor in layer.tensors]

    def by_call(self) -> list[TensorFact]:
        """The tensors in the order in which their layers were called, those of layers that were not at the end."""
        places = {path: place for place, path in enumerate(self.called)}
        layers = sorted(self.layers, key=lambda layer: places.get(layer.path, len(places)))
        return [tensor for layer in layers for tensor in layer.tensors]
