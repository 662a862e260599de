"""The parameter table: a row a tensor, the contract between converter, models and verifier.

A `Param` is carried over. A `LeftOut` is a tensor of PyTorch's that Paddle does not keep: a batch norm's counter.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convert.frameworks import TORCH

if TYPE_CHECKING:
    from convert.arrays import TensorType

Shape = tuple[int, ...]


class Layout(enum.Enum):
    """How a tensor's axes differ between the frameworks, stated from its layer's class.

    Facts of paddle.nn.Linear (weight is (in_features, out_features)) and torch.nn.Linear (the other way round):
    https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/Linear_en.html
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html

    Ports also have a convolution of 1x1 where the other framework's network has a Linear. The members' values say what
    is done on the way to Paddle.
    """

    SAME = "copy"
    LINEAR = "transpose"  # nn.Linear.weight: (out, in) -> (in, out)
    CONV_LINEAR = "1x1 convolution to Linear"  # (out, in, 1, 1) -> (in, out)
    LINEAR_CONV = "Linear to 1x1 convolution"  # (out, in) -> (out, in, 1, 1)
    SQUEEZE = "squeeze"  # (out, in, 1, 1) -> (out, in)

    @property
    def back(self) -> str:
        """What is done on the way back to PyTorch."""
        return BACK.get(self.value, self.value)

    def fits(self, shape: Shape) -> bool:
        """Whether a tensor of that shape in PyTorch can be laid out so."""
        if self in (Layout.CONV_LINEAR, Layout.SQUEEZE):
            return len(shape) == 4 and shape[2:] == (1, 1)
        return self is Layout.SAME or len(shape) == 2

    def to_paddle(self, array: TensorType) -> TensorType:
        """View of a tensor in PyTorch's layout as Paddle lays it out; no data is copied."""
        turned: TensorType = array.T if self in TURNED else array
        return turned if self in STRAIGHT else turned.reshape(self.paddle_shape(array.shape))

    def to_torch(self, array: TensorType) -> TensorType:
        """View of a tensor in Paddle's layout as PyTorch lays it out; no data is copied."""
        turned: TensorType = array.T if self in TURNED else array
        return turned if self in STRAIGHT else turned.reshape(self.torch_shape(array.shape))

    def paddle_shape(self, shape: Shape) -> Shape:
        """Shape in Paddle of a tensor of that shape in PyTorch."""
        if self is Layout.LINEAR_CONV:
            return (*shape, 1, 1)
        kept = shape if self in STRAIGHT else shape[:2]
        return kept[::-1] if self in TURNED else kept

    def torch_shape(self, shape: Shape) -> Shape:
        """Shape in PyTorch of a tensor of that shape in Paddle."""
        if self is Layout.LINEAR_CONV:
            return shape[:2]
        turned = shape[::-1] if self in TURNED else shape
        return turned if self in STRAIGHT else (*turned, 1, 1)


TURNED = (Layout.LINEAR, Layout.CONV_LINEAR)  # have their axes the other way round in Paddle
STRAIGHT = (Layout.SAME, Layout.LINEAR)  # have as many axes in both
BACK = {
    Layout.CONV_LINEAR.value: Layout.LINEAR_CONV.value,
    Layout.LINEAR_CONV.value: Layout.CONV_LINEAR.value,
    Layout.SQUEEZE.value: "unsqueeze",
}


@dataclass(frozen=True)
class Param:
    """One tensor of an architecture.

    Attributes:
        torch_name: key in a PyTorch state dict.
        shape: shape in PyTorch's layout.
        layout: what changes on the way to Paddle.
        paddle_name: key in a Paddle state dict; the same as in PyTorch unless given.
        dtype: of a tensor that is carried as it is, as numpy names it: a table of indices, a mask; "" for the numbers
            that a conversion casts.
    """

    torch_name: str
    shape: Shape
    layout: Layout = Layout.SAME
    paddle_name: str = ""
    dtype: str = ""

    def __post_init__(self) -> None:
        if not self.paddle_name:
            object.__setattr__(self, "paddle_name", self.torch_name)

    @property
    def paddle_shape(self) -> Shape:
        return self.layout.paddle_shape(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_statistic(self) -> bool:
        """Whether it is one of a batch norm's statistics, which are taken of the images and not learned."""
        return self.torch_name.rpartition(".")[2] in STATISTICS


@dataclass(frozen=True)
class LeftOut:
    """A tensor of PyTorch's that has no counterpart in Paddle: dropped on the way there, made anew on the way back.

    Attributes:
        torch_name: key in a PyTorch state dict.
        shape: shape there.
        dtype: of the tensor, as numpy names it.
        value: of every element on the way back; None where what was left out cannot be made.
        why: no counterpart is needed, for people.
    """

    torch_name: str
    shape: Shape = ()
    dtype: str = "int64"
    value: int | None = 0
    why: str = "a count of training steps, which Paddle does not keep"


@dataclass(frozen=True)
class PaddleLeftOut:
    """A tensor of Paddle's state dict that PyTorch's has not: read and dropped where a file has it, never written.

    Attributes:
        name: key in a Paddle state dict.
        shape: shape there.
        why: no counterpart is needed, for people.
    """

    name: str
    shape: Shape
    why: str


Row = Param | LeftOut

COUNTER = "num_batches_tracked"
STATISTICS = ("running_mean", "running_var")  # of batch norms, in PyTorch
VARIANCES = ("running_var", "_variance")  # of batch norms, in PyTorch and in Paddle

# Of every batch norm: Paddle keeps 1e-5 as float32, and a float64 model of PyTorch answers as Paddle's does by the same
# number. With 1e-5 as it is, deep networks part by 2e-9.
BATCH_NORM_EPS = 9.999999747378752e-06


def name_in(framework: str, param: Param) -> str:
    """Key of a tensor in that framework's state dict."""
    return param.torch_name if framework == TORCH else param.paddle_name


def is_counter(name: str, shape: Shape) -> bool:
    """Whether a tensor of that name is a batch norm's counter."""
    return shape == () and name.rpartition(".")[2] == COUNTER


def linear(name: str, *, out: int, in_: int) -> Iterator[Param]:
    """Rows of an nn.Linear with bias."""
    yield Param(f"{name}.weight", (out, in_), Layout.LINEAR)
    yield Param(f"{name}.bias", (out,))


def conv(name: str, *, out: int, in_per_group: int, kernel: int) -> Iterator[Param]:
    """Rows of a square nn.Conv2d with bias; (out, in / groups, height, width) in both frameworks."""
    yield Param(f"{name}.weight", (out, in_per_group, kernel, kernel))
    yield Param(f"{name}.bias", (out,))


def norm(name: str, dim: int, *, shift: bool = True) -> Iterator[Param]:
    """Rows of a norm over channels: a scale and, as nn.LayerNorm has it, a shift."""
    yield Param(f"{name}.weight", (dim,))
    if shift:
        yield Param(f"{name}.bias", (dim,))


def batch_norm(name: str, dim: int, *, paddle_name: str = "") -> Iterator[Row]:
    """Rows of a batch norm over channels: four tensors, two of which are named otherwise in Paddle, and the counter.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/BatchNorm2D_en.html
    """
    theirs = paddle_name or name
    yield Param(f"{name}.weight", (dim,), paddle_name=f"{theirs}.weight")
    yield Param(f"{name}.bias", (dim,), paddle_name=f"{theirs}.bias")
    yield Param(f"{name}.running_mean", (dim,), paddle_name=f"{theirs}._mean")
    yield Param(f"{name}.running_var", (dim,), paddle_name=f"{theirs}._variance")
    yield LeftOut(f"{name}.{COUNTER}")


def parameter_count(params: Iterable[Param]) -> int:
    """Number of scalars that are learned, as papers count them: the statistics of batch norms are not."""
    return sum(param.size for param in params if not param.is_statistic)


def c_strides(shape: Shape) -> Shape:
    """Strides in elements of an array of that shape in C order."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))[: len(shape)]
