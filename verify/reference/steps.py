"""What a part of the network computes, in numpy and float64, and how each step of it is usually got wrong.

A third statement beside the two models, made to be changed: verify/reference/unit.py strings the steps together, and
a usual mistake is a unit with one step altered, left out or exchanged with its neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from convert.archs.spec import Norm
from convert.arrays import Array

Weights = Mapping[str, Array]
Mistake = tuple[str, "Step | None"]  # what it is, for people; the step that stands in the right one's place


@dataclass(frozen=True)
class Step:
    """One operation on (N, H, W, C) or (N, C).

    Attributes:
        name: of the layer in the state dict; the step's tensors are `name.weight`, `name.bias` and so on.
    """

    name: str

    def has(self, tensor: str) -> bool:
        """Whether the tensor of that official name is one of the step's."""
        return tensor.rpartition(".")[0] == self.name

    def run(self, x: Array, weights: Weights) -> Array:
        raise NotImplementedError

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:  # noqa: ARG002 - for the steps that look at them
        """The usual ones, each as the step that a port has in this one's place; None where it has none."""
        yield f"{self.name}: left out", None


@dataclass(frozen=True)
class Affine(Step):
    """A step that ends by adding a vector.

    Attributes:
        bias: whether `name.bias` is added, where there is one.
    """

    bias: bool = True

    def _shift(self, weights: Weights) -> Array | float:
        shift: Array | float = weights.get(f"{self.name}.bias", 0.0) if self.bias else 0.0
        return shift

    def _dropped_bias(self, weights: Weights) -> Iterator[Mistake]:
        if self.bias and f"{self.name}.bias" in weights:
            yield f"{self.name}: the bias is dropped", replace(self, bias=False)


@dataclass(frozen=True)
class Conv(Affine):
    """A square convolution; depthwise where each channel is a group of its own, else in `groups` groups."""

    stride: int = 1
    padding: int = 0
    depthwise: bool = False
    groups: int = 1
    dealt: bool = False  # whether channels go to the groups in turn; they go in runs
    padded_with: str = "constant"  # numpy's word; zeros
    kernel: str = "as it is"  # or "flipped", "transposed"
    channels: str = "as they are"  # or "reversed"

    def run(self, x: Array, weights: Weights) -> Array:
        weight = weights[f"{self.name}.weight"]  # (out, in / groups, k, k)
        side = weight.shape[2]
        if self.kernel != "as it is":
            weight = weight[:, :, ::-1, ::-1] if self.kernel == "flipped" else weight.transpose(0, 1, 3, 2)
        if self.channels == "reversed":
            x = x[..., ::-1]
        sides = (self.padding, self.padding)
        x = np.pad(x, [(0, 0), sides, sides, (0, 0)], mode=self.padded_with)  # type: ignore[call-overload] # a name
        height, width = ((size - side) // self.stride + 1 for size in x.shape[1:3])
        total = np.zeros((len(x), height, width, len(weight)))
        for i in range(side):
            for j in range(side):
                part = x[:, i :: self.stride, j :: self.stride][:, :height, :width]
                total += self._product(part, weight[:, :, i, j])
        return total + self._shift(weights)

    def _product(self, x: Array, weight: Array) -> Array:
        if self.depthwise:
            return x * weight[:, 0]
        grouped = x.reshape(*x.shape[:-1], self.groups, -1)
        if self.dealt:
            grouped = x.reshape(*x.shape[:-1], -1, self.groups).swapaxes(-1, -2)
        matrices = weight.reshape(self.groups, -1, weight.shape[1]).swapaxes(-1, -2)  # (groups, in, out) of a group
        product: Array = np.matmul(grouped[..., None, :], matrices).reshape(*x.shape[:-1], -1)
        return product

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        yield from self._dropped_bias(weights)
        for kernel, what in {"flipped": "flipped", "transposed": "with height and width exchanged"}.items():
            yield f"{self.name}: the kernel is {what}", replace(self, kernel=kernel)
        if self.padding:
            for mode in ("reflect", "edge", "wrap"):
                text = f"{self.name}: the padding is numpy's '{mode}' in place of zeros"
                yield text, replace(self, padded_with=mode)
        if not self.depthwise:
            yield f"{self.name}: the input's channels are reversed", replace(self, channels="reversed")
        if self.groups > 1:
            text = f"{self.name}: the input's channels go to the groups in turn, in place of in runs"
            yield text, replace(self, dealt=True)


NORMS = {
    Norm.LAYER: "a layer norm",
    Norm.RMS: "an RMS norm",
    Norm.SIMPLE: "a simple norm",
}


@dataclass(frozen=True)
class NormStep(Affine):
    """A norm over the channels."""

    kind: Norm = Norm.LAYER
    eps: float = 1e-6
    unbiased: bool = False

    def run(self, x: Array, weights: Weights) -> Array:
        if self.kind is Norm.RMS:
            square = (x * x).mean(-1, keepdims=True)
        else:
            square = x.var(-1, ddof=int(self.unbiased), keepdims=True)
        if self.kind is Norm.LAYER:
            x = x - x.mean(-1, keepdims=True)
        scaled: Array = x / np.sqrt(square + self.eps) * weights[f"{self.name}.weight"]
        return scaled + self._shift(weights)

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        if self.kind is not Norm.RMS:
            wrong, right = ("biased", "unbiased") if self.unbiased else ("unbiased", "biased")
            text = f"{self.name}: the variance is {wrong} in place of {right}"
            yield text, replace(self, unbiased=not self.unbiased)
        for kind, what in NORMS.items():
            if kind is not self.kind:
                text = f"{self.name}: {what} in place of {NORMS[self.kind]}"
                yield text, replace(self, kind=kind, unbiased=kind is Norm.SIMPLE)
        yield from self._dropped_bias(weights)
        yield from super().mistakes(weights)


@dataclass(frozen=True)
class Linear(Affine):
    """A weight of (out, in)."""

    transposed: bool = False

    def run(self, x: Array, weights: Weights) -> Array:
        weight = weights[f"{self.name}.weight"]
        product: Array = x @ (weight if self.transposed else weight.T)
        return product + self._shift(weights)

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        yield from self._dropped_bias(weights)
        out, in_ = weights[f"{self.name}.weight"].shape
        if out == in_:
            yield f"{self.name}: the square weight is transposed", replace(self, transposed=True)


GELUS = {"exact": "the exact one", "tanh": "the tanh approximation", "sigmoid": "the sigmoid approximation"}


@dataclass(frozen=True)
class Gelu(Step):
    """GELU in one of the three forms of https://arxiv.org/abs/1606.08415, section 2."""

    form: str = "exact"

    def run(self, x: Array, weights: Weights) -> Array:  # noqa: ARG002 - it has no tensors
        if self.form == "sigmoid":
            weight: Array = 1 / (1 + np.exp(-1.702 * x))
        elif self.form == "tanh":
            weight = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        else:
            erf = np.fromiter(map(math.erf, (x / math.sqrt(2)).ravel()), np.float64, x.size)  # numpy has none
            weight = 0.5 * (1 + erf.reshape(x.shape))
        return x * weight

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        for form, what in GELUS.items():
            if form != self.form:
                text = f"{self.name}: {what} in place of {GELUS[self.form]}"
                yield text, replace(self, form=form)
        yield from super().mistakes(weights)


RESPONSES = {
    "euclidean": "a channel's Euclidean norm over height and width",
    "spectral": "a channel's spectral norm",
    "pixel": "a pixel's norm over the channels",
    "all": "one norm of a whole image",
    "largest": "a channel's largest magnitude",
    "absolute": "a channel's sum of magnitudes",
}


@dataclass(frozen=True)
class ResponseNorm(Step):
    """ConvNeXt V2's GRN, https://arxiv.org/abs/2301.00808, section 3.3."""

    norm: str = "euclidean"
    eps: float = 1e-6
    shortcut: bool = True

    def run(self, x: Array, weights: Weights) -> Array:
        norm = _response(x, self.norm)
        scaled = weights[f"{self.name}.gamma"] * (x * (norm / (norm.mean(-1, keepdims=True) + self.eps)))
        answer: Array = scaled + weights[f"{self.name}.beta"] + (x if self.shortcut else 0.0)
        return answer

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:
        for norm, what in RESPONSES.items():
            if norm != self.norm:
                yield f"{self.name}: {what} in place of {RESPONSES[self.norm]}", replace(self, norm=norm)
        yield f"{self.name}: its shortcut is left out", replace(self, shortcut=False)
        yield from super().mistakes(weights)


def _response(x: Array, norm: str) -> Array:
    answer: Array
    if norm == "pixel":
        answer = np.linalg.norm(x, axis=3, keepdims=True)
    elif norm == "all":
        answer = np.broadcast_to(np.sqrt((x * x).sum((1, 2, 3), keepdims=True)), (len(x), 1, 1, x.shape[3]))
    elif norm == "largest":
        answer = np.abs(x).max((1, 2), keepdims=True)
    elif norm == "absolute":
        answer = np.abs(x).sum((1, 2), keepdims=True)
    else:
        answer = np.linalg.norm(x, ord=2 if norm == "spectral" else None, axis=(1, 2), keepdims=True)
    return answer


@dataclass(frozen=True)
class Scale(Step):
    """LayerScale; `name` is the tensor's own."""

    def has(self, tensor: str) -> bool:
        return tensor == self.name

    def run(self, x: Array, weights: Weights) -> Array:
        return x * weights[self.name]


@dataclass(frozen=True)
class Pool(Step):
    """The mean over height and width."""

    name: str = "the mean over height and width"
    form: str = "mean"

    def run(self, x: Array, weights: Weights) -> Array:  # noqa: ARG002 - it has no tensors
        pooled: Array = x.max((1, 2)) if self.form == "maximum" else x.mean((1, 2))
        return pooled

    def mistakes(self, weights: Weights) -> Iterator[Mistake]:  # noqa: ARG002 - it has no tensors
        yield f"{self.name}: the maximum in place of the mean", replace(self, form="maximum")
