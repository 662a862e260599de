"""What every architecture's specification offers; a family adds its own fields and its own table."""

from __future__ import annotations

import abc
import dataclasses
import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from convert.errors import counted
from convert.frameworks import TORCH
from convert.params import LeftOut, PaddleLeftOut, Param, Row, Shape, name_in

if TYPE_CHECKING:
    from convert.arrays import Array

Spec = TypeVar("Spec", bound="ArchSpec")
Stage = tuple[int, int]  # number of blocks, channels


class Norm(enum.Enum):
    """The kind of every norm. The members' values are timm's words."""

    LAYER = "layernorm"  # (x - mean) / sqrt(variance + eps), scale and shift
    RMS = "rmsnorm"  # x / sqrt(mean square + eps), scale
    SIMPLE = "simplenorm"  # x / sqrt(unbiased variance + eps), scale; the mean is not subtracted
    BATCH = "batchnorm"  # (x - mean) / sqrt(variance + eps), scale and shift; a channel's statistics stand in the file


LAYER_SCALE_INIT = 1e-6  # of the authors' models, as they are trained


# What is assumed of a network of somebody's own, and may stand in a file beside it.
EPS_ASSUMED, GELU_ASSUMED = "eps 1e-6", "exact GELU"


@dataclass(frozen=True)
class Made:
    """One tensor that re-parameterisation makes of others.

    Attributes:
        parts: names in PyTorch of the tensors that it is made of.
        formula: takes them in that order, in PyTorch's layout and float64, and gives the tensor; it changes none.
    """

    parts: tuple[str, ...]
    formula: Callable[..., Array]


@dataclass(frozen=True)
class Merging:
    """Re-parameterisation: a change of an architecture that keeps its function and cannot be taken back.

    Attributes:
        spec: the architecture that it makes.
        made: name in PyTorch of every tensor that is made.
    """

    spec: ArchSpec
    made: Mapping[str, Made]

    @property
    def parts(self) -> dict[str, str]:
        """Name of every tensor that is gone afterwards, to the first that is made of it."""
        parts: dict[str, str] = {}
        for name, made in self.made.items():
            parts |= {part: name for part in made.parts if part not in parts}
        return parts


@dataclass(frozen=True, kw_only=True)
class ArchSpec(abc.ABC):
    """One architecture.

    Whoever works on every family asks these properties and never for a spec's class; a family states what differs from
    the defaults here.

    Attributes:
        name: as upstream and on the command line.
        num_classes: outputs of the head; 0 for a model without one, which answers with its features.
        in_chans: channels of the input image.
        eps: of every norm, added to the variance or the mean square.
        last_norm: whether a norm stands between the last block and the head; files of masked autoencoders have none.
        last_eps: of the last norm, where it has another than the others; None where it has not.
        same_padding: whether the library whose weights these are pads maps that a convolution does not divide, which no
            model here does: images then come in sizes of `multiple_of`.
        variant: what a library's networks compute otherwise than the authors', for people; empty where nothing.
        assumed: what no tensor tells and was taken as the authors have it, for people; empty for a known architecture.
    """

    stem_key: ClassVar[str]  # of the first convolution's weight, (out, in_chans, height, width)
    head_key: ClassVar[str] = "head.weight"  # (num_classes, in)
    head_bias_key: ClassVar[str] = "head.bias"  # (num_classes,)

    name: str
    num_classes: int = 1000
    in_chans: int = 3
    eps: float = 1e-6
    last_norm: bool = True
    last_eps: float | None = None
    same_padding: bool = False
    variant: str = ""
    assumed: tuple[str, ...] = ()

    @abc.abstractmethod
    def rows(self) -> Iterator[Row]:
        """The parameter table's rows, in the order of PyTorch's state dict."""

    @property
    @abc.abstractmethod
    def block_names(self) -> tuple[str, ...]:
        """Names of the residual blocks, which are modules of both models, in the order in which they run."""

    @property
    @abc.abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """Number of blocks and channels of each stage; one stage where the resolution never changes."""

    @property
    def features(self) -> int:
        """Channels of what the head gets: the last stage's, unless the family says otherwise."""
        return self.stages[-1][1]

    @property
    def own_names(self) -> bool:
        """Whether its table alone says its tensors' names: it is in no library's key format, and has one size."""
        return False

    @property
    def wide(self) -> bool:
        """Whether its model takes an image wider than high: it does, unless the family says otherwise."""
        return True

    @property
    def described(self) -> str:
        """What it is besides its name, for people: "10 classes, 3 input channels"."""
        return f"{self.answer}, {counted(self.in_chans, 'input channel')}"

    @property
    def outputs(self) -> int:
        """Numbers that the model answers with for an image: logits, or features where it has no head."""
        return self.num_classes or self.features

    @property
    def answer(self) -> str:
        """What the model answers with, for people: "10 classes", "no head: features of 320"."""
        if self.num_classes:
            return f"{self.num_classes} classes"
        return f"no head{'' if self.last_norm else ', no last norm'}: features of {self.features}"

    @property
    def form(self) -> str:
        """What the architecture became after its training, for people: "merged"; "" for what it was trained as."""
        return ""

    def merging(self) -> Merging | None:
        """The re-parameterisation that it offers; None where it has nothing to merge, or is merged already."""
        return None

    @property
    def last_norm_name(self) -> str:
        """Name of the last norm's module."""
        return "norm"

    @abc.abstractmethod
    def resized(self: Spec, stages: Sequence[Stage]) -> Spec:
        """This architecture with other blocks and channels in its stages, and whatever depends on their channels."""

    @property
    def norm(self) -> Norm:
        """Kind of every norm: LayerNorm, unless the family says otherwise."""
        return Norm.LAYER

    @property
    def gelu_tanh(self) -> bool:
        """Whether GELU is its tanh approximation: it is exact, unless the family says otherwise."""
        return False

    @property
    def last_norm_eps(self) -> float:
        """That is added in the last norm."""
        return self.eps if self.last_eps is None else self.last_eps

    @property
    def multiple_of(self) -> int:
        """What both sides of an image are multiples of, where maps of other sizes would be padded; 1 elsewhere."""
        return 1

    @property
    def is_told_by_tensors(self) -> bool:
        """Whether names and shapes of its tensors tell all of it, so that a file of these tensors is of it."""
        return not self.assumed and not self.variant

    @property
    def layer_scale(self) -> bool:
        """Whether each block ends with a `gamma`: none has one, unless the family says otherwise."""
        return False

    @property
    def grn(self) -> bool:
        """Whether blocks have a global response norm: none has one, unless the family says otherwise."""
        return False

    @property
    def kernel(self) -> int:
        """Side of every depthwise convolution: 7, unless the family says otherwise."""
        return 7

    @property
    def patch(self) -> int:
        """Side and stride of a patch stem's convolution: 4, unless the family says otherwise."""
        return 4

    @property
    def groups(self) -> int:
        """Groups of each block's 3x3 convolution: 1 where there is none, unless the family says otherwise."""
        return 1

    @property
    def max_pool(self) -> bool:
        """Whether the stem ends with a maximum over 3x3 windows: it does not, unless the family says otherwise."""
        return False

    @property
    def sizes(self) -> range | None:
        """Sides of square images that the model takes; None for any, unless the family says otherwise."""
        return None

    @property
    def compared(self) -> ArchSpec:
        """The architecture that two models are compared as: this one, unless its answers hide what parts them."""
        return self

    @property
    def blocks(self) -> int:
        """Number of residual blocks."""
        return len(self.block_names)

    def params(self) -> tuple[Param, ...]:
        """The parameter table: the tensors that both frameworks have."""
        return tuple(row for row in self.rows() if isinstance(row, Param))

    def left_out(self) -> dict[str, LeftOut]:
        """PyTorch's tensors that Paddle does not keep, by name."""
        return {row.torch_name: row for row in self.rows() if isinstance(row, LeftOut)}

    def paddle_left_out(self) -> dict[str, PaddleLeftOut]:
        """Paddle's tensors that PyTorch does not have, by name: none, unless the family says otherwise."""
        return {}

    def left_out_shapes(self, framework: str) -> dict[str, Shape]:
        """Name to shape of the tensors that framework alone has."""
        rows = self.left_out() if framework == TORCH else self.paddle_left_out()
        return {name: row.shape for name, row in rows.items()}

    def kept_dtypes(self, framework: str) -> dict[str, str]:
        """Name in that framework to the dtype of every tensor that is carried as it is."""
        return {name_in(framework, param): param.dtype for param in self.params() if param.dtype}

    def drop_path_rates(self, last: float) -> list[float]:
        """Stochastic depth's rate for each block, growing linearly from 0 to `last`."""
        return [last * i / max(self.blocks - 1, 1) for i in range(self.blocks)]

    def layer_scale_init(self, value: float | None) -> float | None:
        """Initial value of every `gamma`: the given one, else 1e-6; None for an architecture that has none.

        Raises:
            ValueError: a value is given for an architecture that has none.
        """
        if self.layer_scale:
            return LAYER_SCALE_INIT if value is None else value
        if value is not None:
            raise ValueError(f"{self.name} has no LayerScale; leave layer_scale_init_value out")
        return None

    def fitted_to(self: Spec, shapes: Mapping[str, Shape]) -> Spec:
        """This architecture with the number of classes and of input channels that the tensors have.

        Tensors without a head are those of a model of 0 classes; without a last norm either, of one that has none.

        Args:
            shapes: official names to shapes in either framework's layout. What is empty or of another rank leaves the
                default in place, as half a head or a missing stem does; the comparison with the table then reports it.
        """
        bias, stem = shapes.get(self.head_bias_key, ()), shapes.get(self.stem_key, ())
        headless = not {self.head_key, self.head_bias_key} & shapes.keys()
        classes = 0 if headless else self.num_classes or 1
        return dataclasses.replace(
            self,
            num_classes=bias[0] if len(bias) == 1 and bias[0] else classes,
            in_chans=stem[1] if len(stem) == 4 and stem[1] else self.in_chans,
            last_norm=not (headless and self._lacks_last_norm(shapes)),
        )

    def _lacks_last_norm(self, shapes: Mapping[str, Shape]) -> bool:
        return not any(name.startswith(f"{self.last_norm_name}.") for name in shapes)
