"""What every architecture's specification offers; a family adds its own fields and its own table."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from convert.params import Param, Shape

Spec = TypeVar("Spec", bound="ArchSpec")

LAYER_SCALE_INIT = 1e-6  # of the authors' models, as they are trained


@dataclass(frozen=True, kw_only=True)
class ArchSpec(abc.ABC):
    """One architecture.

    Attributes:
        name: as upstream and on the command line.
        num_classes: outputs of the head.
        in_chans: channels of the input image.
        eps: of every norm, added to the variance or the mean square.
    """

    stem_key: ClassVar[str]  # of the first convolution's weight, (out, in_chans, height, width)
    head_key: ClassVar[str] = "head.weight"  # (num_classes, in)
    head_bias_key: ClassVar[str] = "head.bias"  # (num_classes,)

    name: str
    num_classes: int = 1000
    in_chans: int = 3
    eps: float = 1e-6

    @abc.abstractmethod
    def rows(self) -> Iterator[Param]:
        """The parameter table's rows, in the order of the model's state dict."""

    @property
    @abc.abstractmethod
    def blocks(self) -> int:
        """Number of residual blocks."""

    @property
    def has_layer_scale(self) -> bool:
        """Whether each block ends with a `gamma`."""
        return False

    def params(self) -> tuple[Param, ...]:
        """The parameter table."""
        return tuple(self.rows())

    def drop_path_rates(self, last: float) -> list[float]:
        """Stochastic depth's rate for each block, growing linearly from 0 to `last`."""
        return [last * i / max(self.blocks - 1, 1) for i in range(self.blocks)]

    def layer_scale_init(self, value: float | None) -> float | None:
        """Initial value of every `gamma`: the given one, else 1e-6; None for an architecture that has none.

        Raises:
            ValueError: a value is given for an architecture that has none.
        """
        if self.has_layer_scale:
            return LAYER_SCALE_INIT if value is None else value
        if value is not None:
            raise ValueError(f"{self.name} has no LayerScale; leave layer_scale_init_value out")
        return None

    def fitted_to(self: Spec, shapes: Mapping[str, Shape]) -> Spec:
        """This architecture with the number of classes and of input channels that the tensors have.

        Args:
            shapes: official names to shapes in either framework's layout. What is missing, empty or of another rank
                leaves the default in place; the comparison with the table then reports it.
        """
        bias, stem = shapes.get(self.head_bias_key, ()), shapes.get(self.stem_key, ())
        return dataclasses.replace(
            self,
            num_classes=bias[0] if len(bias) == 1 and bias[0] else self.num_classes,
            in_chans=stem[1] if len(stem) == 4 and stem[1] else self.in_chans,
        )
