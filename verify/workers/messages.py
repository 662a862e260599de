"""What the parent and its two worker processes say to each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from convert.archs.spec import ArchSpec
from convert.arrays import Array
from convert.key_formats.rules import Reshape
from verify.store.facts import Setup
from verify.workers.held import HeldFile

# Hands a named array to the parent, and gets the one to go on with in its place, if there is one.
Exchange = Callable[[str, Array | None], Array | None]


def own_name(model: Any, name: str) -> str:
    """What the model itself calls a tensor of its network; the same, unless its builder says otherwise."""
    names: Mapping[str, str] = getattr(model, "ferry_names", {})
    return names.get(name, name)


def first_output(output: Any) -> Any:
    """What a layer answers, the first part of it where there are several."""
    return output[0] if isinstance(output, (tuple, list)) and output else output


def with_first(output: Any, replacement: Any) -> Any:
    """The layer's answer with another first part."""
    return type(output)([replacement, *output[1:]]) if isinstance(output, (tuple, list)) else replacement


@dataclass(frozen=True)
class LoadJob:
    """Asks a worker to build a model of a checkpoint.

    Attributes:
        spec: the architecture.
        files: the checkpoint and, where that is an index, the files that hold its tensors; a worker gets them as
            memory, and opens no path.
        container: what kind of file it is.
        steps: the keys that lead to the state dict in it; none for a bare one.
        keys: official name of each tensor to the file's key.
        made: official names to tensors, float32, that the file does not have or that stand in place of its own.
        reshaped: official name to the difference of shape, for tensors that have another in the file.
        dtype: "float32" or "float64".
        digest: whether to return the digests of what the model then holds.
        builder: "module:function" in place of the model package's `build_with`, for planting a fault; with
            "module:function:text", the function gets that text first.
        rounding: dtype to which a source's values are rounded before the model gets them; "" for none.
    """

    spec: ArchSpec
    files: tuple[HeldFile, ...]
    container: str
    steps: tuple[str | int, ...]
    keys: Mapping[str, str]
    made: Mapping[str, Array] = field(default_factory=dict)
    reshaped: Mapping[str, Reshape] = field(default_factory=dict)
    dtype: str = "float32"
    digest: bool = False
    builder: str = ""
    rounding: str = ""

    def official(self, content: Mapping[str, Array]) -> dict[str, Array]:
        """The file's tensors under their official names and in their official shapes."""
        reshapes = {name: self.reshaped.get(name, Reshape.NONE) for name in self.keys}
        return {name: reshapes[name].to_official(content[key]) for name, key in self.keys.items()}

    def factory(self, default: Any) -> Any:
        if not self.builder:
            return default
        module, name, *text = self.builder.split(":", 2)  # the text may have colons of its own
        return partial(getattr(importlib.import_module(module), name), *text)


@dataclass(frozen=True)
class Started:
    """A worker's framework is loaded.

    Attributes:
        version: of the framework, "2.14.0".
        setup: what it computes with.
    """

    version: str
    setup: Setup


@dataclass(frozen=True)
class Loaded:
    """A worker holds the model.

    Attributes:
        reader: what read the file.
        digests: name in PyTorch to the digest of the model's own tensor in PyTorch's layout, where asked for.
    """

    reader: str
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchRef:
    """Where a batch lies in memory that several processes see.

    Attributes:
        memory: where other processes find the memory.
        shape: (N, C, H, W).
        dtype: "float32" or "float64".
    """

    memory: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ForwardJob:
    """Asks for the logits of a batch."""

    batch: BatchRef


@dataclass(frozen=True)
class Tap:
    """A place between two units of a model, where what passes is sent out and may be replaced.

    Attributes:
        name: of the unit that ends there.
        module: the module's name in both models.
        before: whether what enters the module is meant; else what leaves it.
    """

    name: str
    module: str
    before: bool = False


@dataclass(frozen=True)
class TraceJob:
    """Asks for one forward pass, unit by unit. Each `AnswerPart` waits for a `GoOn`.

    Attributes:
        batch: the input.
        taps: where.
        answer: name of the unit as which the model's answer follows them.
    """

    batch: BatchRef
    taps: tuple[Tap, ...]
    answer: str


@dataclass(frozen=True)
class GradientJob:
    """Asks for the gradient of every parameter, one after the other. Each `AnswerPart` waits for a `GoOn`.

    Attributes:
        batch: the input.
        weights: (N, outputs); the loss is the sum of the logits, or features, times these.
    """

    batch: BatchRef
    weights: Array


@dataclass(frozen=True)
class TensorsJob:
    """Asks for tensors that the model holds, in PyTorch's layout.

    Attributes:
        names: official names.
    """

    names: tuple[str, ...]


@dataclass(frozen=True)
class QuestionJob:
    """Asks for what a function says of the model.

    Attributes:
        function: "module:function", called with the model and then the arguments.
        arguments: that can be pickled.
    """

    function: str
    arguments: tuple[Any, ...] = ()

    def answer(self, model: Any) -> Any:
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(module), name)(model, *self.arguments)


@dataclass(frozen=True)
class AnswerPart:
    """One array of a longer answer, in PyTorch's layout; None for a gradient that there is not."""

    name: str
    array: Array | None


@dataclass(frozen=True)
class GoOn:
    """Asks for the next part.

    Attributes:
        replacement: what the model is to go on with in place of what it sent; None for what it sent.
    """

    replacement: Array | None = None


@dataclass(frozen=True)
class Failed:
    """The worker's user error, to be raised in the parent."""

    text: str
