"""What the parent asks of the process that holds one of the two models, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convert.arrays import Array
from convert.tables.table import ModelName


@dataclass(frozen=True)
class BuildJob:
    """Asks for the model, initialised, in evaluation mode and float64.

    Attributes:
        model: what to build.
        folders: appended to where modules are looked for, because the command line named a module.
    """

    model: ModelName
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class SurveyJob:
    """Asks for a `Survey`; None comes back where the model does not take that input.

    Attributes:
        shape: (N, C, H, W) of the input, which is noise.
    """

    shape: tuple[int, int, int, int]


@dataclass(frozen=True)
class SetTensor:
    """Gives a tensor of the state dict its values, in the framework's layout."""

    name: str
    values: Array


@dataclass(frozen=True)
class RoundConstants:
    """Asks that every constant be as Paddle keeps it: an eps in float32, the slope of Hardsigmoid with seven digits."""


@dataclass(frozen=True)
class RunJob:
    """Asks for what the model answers, as a flat tuple of arrays.

    Attributes:
        batch: (N, C, H, W), float64.
        training: in training mode, but for norms that keep statistics.
    """

    batch: Array
    training: bool = False


@dataclass(frozen=True)
class WalkJob:
    """Asks for one forward pass, layer by layer. Each `Passed` waits for a `GoOn` of the workers' messages.

    Attributes:
        batch: the input.
        layers: paths of the layers at which to stop.
    """

    batch: Array
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Passed:
    """What one layer got and gave.

    Attributes:
        path: of the layer.
        given: its first input.
        output: its output.
        between: classes of the layers without tensors that ran since the one before.
    """

    path: str
    given: Array
    output: Array
    between: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeSetting:
    """Asks that one setting of one layer be another; the former value comes back.

    Attributes:
        path: of the layer.
        name: PyTorch's word for the setting.
        value: the new one.
    """

    path: str
    name: str
    value: object


@dataclass(frozen=True)
class Built:
    """The model is there.

    Attributes:
        kind: its class.
        versions: of the framework, and of the library that it came from.
    """

    kind: str
    versions: Mapping[str, str]
