"""A checkpoint that was read and recognised: its tensors under official names, in PyTorch's layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.archs import ArchSpec, get_spec
from convert.arrays import BFLOAT16, Array
from convert.checkpoints import PADDLE_PICKLE, SAFETENSORS, Checkpoint, read_checkpoint
from convert.errors import CheckpointError
from convert.frameworks import FRAMEWORKS, PADDLE, TORCH
from convert.key_formats import Named, name_officially
from convert.paths import NO_PATH, AnyPath, is_possible
from convert.source.recognise import distance, recognise_arch


@dataclass(frozen=True)
class Source:
    """A checkpoint and what was recognised in it.

    Attributes:
        checkpoint: the file, under its own keys.
        named: the same tensors under official names, in the layout of `framework`.
        framework: "torch" or "paddle"; whose layout the Linear weights have.
        spec: the architecture with the checkpoint's own number of classes and input channels.
        recognised: whether the architecture was read off the tensors rather than given.
    """

    checkpoint: Checkpoint
    named: Named
    framework: str
    spec: ArchSpec
    recognised: bool

    @property
    def path(self) -> Path:
        return self.checkpoint.path

    @property
    def tensors(self) -> Mapping[str, Array]:
        """Official names to arrays in the layout of `framework`."""
        return self.named.tensors


def read_source(path: AnyPath, *, arch: str | ArchSpec = "", weights: str = "") -> Source:
    """Reads a checkpoint of either framework as that architecture, or as the one that its tensors show.

    Args:
        path: the file.
        arch: an architecture or its name; "" to recognise it.
        weights: which state dict, where the file holds several.

    The container says whose layout the tensors have; a `.safetensors` may have either, and no ConvNeXt has tensors
    that fit both.

    Raises:
        FerryError: the name, the file or its keys are no good. Tensors that do not fit a given architecture raise
            only when they are converted.
    """
    given_spec = get_spec(arch) if isinstance(arch, str) and arch else arch or None
    if not is_possible(path):
        raise CheckpointError(f"{path}: {NO_PATH}")
    checkpoint = read_checkpoint(path, weights=weights)
    frameworks = {PADDLE_PICKLE: (PADDLE,), SAFETENSORS: FRAMEWORKS}
    candidates = frameworks.get(checkpoint.container, (TORCH,))
    try:
        named = name_officially(_with_bfloat16(checkpoint))
        shapes = {name: array.shape for name, array in named.tensors.items()}
        if given_spec is None:
            spec, framework = recognise_arch(shapes, candidates)
        else:
            spec = given_spec.fitted_to(shapes)
            framework = min(candidates, key=lambda candidate: distance(spec, shapes, candidate))
    except CheckpointError as error:
        raise type(error)(f"{path}: {error}") from error
    return Source(checkpoint, named, framework, spec, recognised=given_spec is None)


def _with_bfloat16(checkpoint: Checkpoint) -> Mapping[str, Array]:
    """The tensors; where Paddle keeps bfloat16 as uint16, a dtype that it does not have itself, as bfloat16."""
    if checkpoint.container != PADDLE_PICKLE:
        return checkpoint.tensors
    return {
        name: array.view(BFLOAT16) if array.dtype == np.uint16 else array for name, array in checkpoint.tensors.items()
    }
