"""A checkpoint that was read and recognised: its tensors under official names, in PyTorch's layout."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np

from convert.archs import OWN, ArchSpec, get_spec
from convert.arrays import BFLOAT16, Array, TensorType
from convert.checkpoints.containers import Container, container_named
from convert.checkpoints.reading import CheckpointOf, OpenCheckpoint, load_checkpoint, open_checkpoint, open_file
from convert.errors import CheckpointError, WrongChoice
from convert.files import ByteFile
from convert.frameworks import PADDLE, PROPER_NAMES
from convert.key_formats import Named, name_officially
from convert.key_formats.rules import KeyFormat
from convert.params import Param, Shape, is_counter
from convert.paths import AnyPath
from convert.source.config import heed_config
from convert.source.recognise import distance, recognise_arch
from convert.source.unlike import describe_keys, describe_shard, describe_tensors, describe_transposed
from convert.stored import StoredArray


@dataclass(frozen=True)
class Source(Generic[TensorType]):
    """A checkpoint and what was recognised in it.

    Attributes:
        checkpoint: the file, under its own keys.
        named: the same tensors under official names, in the layout of `framework`.
        framework: "torch" or "paddle"; whose layout the Linear weights have.
        spec: the architecture with the checkpoint's own number of classes and input channels.
        recognised: whether the architecture was read off the tensors rather than given.
        told: what a config.json beside the checkpoint says, for people; empty where there is none.
    """

    checkpoint: CheckpointOf[TensorType]
    named: Named[TensorType]
    framework: str
    spec: ArchSpec
    recognised: bool
    told: str = ""

    @property
    def path(self) -> Path:
        return self.checkpoint.path

    @property
    def tensors(self) -> Mapping[str, TensorType]:
        """Official names to arrays in the layout of `framework`."""
        return self.named.tensors

    def name_of(self, param: Param) -> str:
        """The official name of the table's tensor in the source's framework."""
        return param.paddle_name if self.framework == PADDLE else param.torch_name


@dataclass(frozen=True)
class Selection:
    """Which part of a file is read.

    Attributes:
        weights: path of the state dict in the file; "" for the only one there is.
        strip_prefix: what its keys begin with that are read; "" for what all begin with.
        side: "dst-" where the command's options for both begin so; "" for those of the source.
    """

    weights: str = ""
    strip_prefix: str = ""
    side: str = ""

    def open(self, file: ByteFile) -> OpenCheckpoint:
        """The chosen state dict of a file, its tensors' values unread."""
        return open_checkpoint(file, weights=self.weights, option=f"--{self.side}weights")

    def name(self, tensors: Mapping[str, TensorType]) -> Named[TensorType]:
        """Its tensors under official names."""
        return name_officially(tensors, strip_prefix=self.strip_prefix, option=f"--{self.side}strip-prefix")


WHOLE = Selection()


def read_source(path: AnyPath | ByteFile, *, arch: str | ArchSpec = "", selection: Selection = WHOLE) -> Source[Array]:
    """Reads a checkpoint of either framework as that architecture, or as the one that its tensors show.

    Args:
        path: the file, or an open one.
        arch: an architecture or its name; "" to recognise it, `OWN` to take a part of a known one for a network.
        selection: which part of the file.

    The container says whose layout the tensors have; where it may have either, no ConvNeXt has tensors that fit both.

    Raises:
        FerryError: the name, the file or its keys are no good. Tensors that do not fit a given architecture raise
            only when they are converted.
    """
    given_spec = _given_spec(arch)
    file = open_file(path) if isinstance(path, (str, os.PathLike)) else path
    return _recognise(load_checkpoint(selection.open(file)), given_spec, selection, own=arch == OWN)


def open_source(path: AnyPath, *, arch: str | ArchSpec = "", selection: Selection = WHOLE) -> Source[StoredArray]:
    """The same with the tensors' values unread."""
    given_spec = _given_spec(arch)
    return _recognise(selection.open(open_file(path)), given_spec, selection, own=arch == OWN)


def _given_spec(arch: str | ArchSpec) -> ArchSpec | None:
    if isinstance(arch, ArchSpec):
        return arch
    return get_spec(arch) if arch and arch != OWN else None


def _recognise(
    checkpoint: CheckpointOf[TensorType], given_spec: ArchSpec | None, selection: Selection, *, own: bool
) -> Source[TensorType]:
    try:
        named = _name(checkpoint, selection)
        candidates = _frameworks(container_named(checkpoint.container), named.key_format)
        shapes = {name: array.shape for name, array in named.tensors.items()}
        carried = _without_left_out(shapes, given_spec)
        if given_spec is None:
            spec, framework = _recognised(checkpoint, carried, candidates, own=own)
        else:
            spec, framework = _fitted(checkpoint, carried, candidates, given_spec)
        carried = _without_left_out(shapes, spec)
        named = named.without(shapes.keys() - carried.keys())
        fits = not distance(spec, carried, framework)  # or the comparison with the table says what is wrong
        spec, told = heed_config(checkpoint.path, spec) if fits else (spec, "")
    except CheckpointError as error:
        checkpoint.check_unchanged()  # or a file that is being written would be called another model's
        path = f"{checkpoint.path}: "  # an error of reading values, as second names are compared, has it already
        raise type(error)(f"{path}{str(error).removeprefix(path)}") from error
    return Source(checkpoint, named, framework, spec, given_spec is None, told)


def _without_left_out(shapes: Mapping[str, Shape], spec: ArchSpec | None) -> dict[str, Shape]:
    """The tensors but for those that the table leaves out, in the shape in which it does so; without one, counters."""
    if spec is None:
        return {name: shape for name, shape in shapes.items() if not is_counter(name, shape)}
    rows = spec.left_out()
    return {name: shape for name, shape in shapes.items() if name not in rows or rows[name].shape != shape}


def _frameworks(container: Container, key_format: KeyFormat) -> tuple[str, ...]:
    """Those whose layout the tensors may have."""
    if not (only := key_format.framework):
        return container.frameworks
    if only not in container.frameworks:
        raise CheckpointError(
            f"a {container.name} with {key_format.name} keys, which are for {PROPER_NAMES[only]} alone; "
            f"give {PROPER_NAMES[only]}'s own file"
        )
    return (only,)


def _name(checkpoint: CheckpointOf[TensorType], selection: Selection) -> Named[TensorType]:
    tensors = _with_bfloat16(checkpoint)
    try:
        return selection.name(tensors)
    except WrongChoice:
        raise
    except CheckpointError as error:
        shapes = {name: array.shape for name, array in tensors.items()}
        raise CheckpointError(describe_keys(checkpoint.path, shapes) or error) from error


def _recognised(
    checkpoint: CheckpointOf[Any], shapes: Mapping[str, Shape], candidates: Sequence[str], *, own: bool
) -> tuple[ArchSpec, str]:
    path = checkpoint.path
    try:
        return recognise_arch(shapes, candidates, own=own)
    except WrongChoice as error:
        raise WrongChoice(describe_shard(path) or error) from error
    except CheckpointError as error:
        raise CheckpointError(describe_tensors(path, shapes, candidates, checkpoint.steps) or error) from error


def _fitted(
    checkpoint: CheckpointOf[Any], shapes: Mapping[str, Shape], candidates: Sequence[str], given_spec: ArchSpec
) -> tuple[ArchSpec, str]:
    path, spec = checkpoint.path, given_spec.fitted_to(shapes)
    framework = min(candidates, key=lambda candidate: distance(spec, shapes, candidate))
    if distance(spec, shapes, framework):
        only = len(candidates) == 1
        transposed = describe_transposed(path, spec, shapes, framework, checkpoint.steps) if only else ""
        if reason := describe_shard(path) or transposed:
            raise CheckpointError(reason)
    return spec, framework


def _with_bfloat16(checkpoint: CheckpointOf[TensorType]) -> Mapping[str, TensorType]:
    """The tensors; where the container keeps bfloat16 as another dtype, which it does not have itself, as bfloat16."""
    kept_as = container_named(checkpoint.container).bfloat16
    if not kept_as:
        return checkpoint.tensors
    return {
        name: array.view(BFLOAT16) if array.dtype == np.dtype(kept_as) else array
        for name, array in checkpoint.tensors.items()
    }
