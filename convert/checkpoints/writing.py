"""Writing a checkpoint file: the same tensors always give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from convert.arrays import Array
from convert.checkpoints import safetensors
from convert.checkpoints.atomic import Written, write_atomically
from convert.checkpoints.pdparams import pdparams_chunks
from convert.checkpoints.torch_zip import torch_zip_chunks
from convert.errors import TargetError
from convert.frameworks import PADDLE, TORCH
from convert.paths import AnyPath


def write_pdparams(path: AnyPath, tensors: Mapping[str, Array], *, force: bool = False, digest: bool = True) -> Written:
    """Writes a state dict in Paddle's layout as a canonical `.pdparams`.

    The bytes depend on names, order, shapes, dtypes and values alone. `paddle.load` of 2.6 and 3.x reads it.

    Raises:
        TargetError: the target exists and `force` is not given, or it cannot be written; nothing is lost.
    """
    return write_atomically(Path(path), list(pdparams_chunks(tensors)), force=force, digest=digest)


def write_checkpoint(
    path: AnyPath, tensors: Mapping[str, Array], *, framework: str, force: bool = False, digest: bool = True
) -> Written:
    """Writes a state dict canonically, in the container that the target's suffix names.

    Args:
        path: `.pdparams`, `.pth`, `.pt` or `.safetensors`.
        tensors: in the framework's layout.
        framework: "torch" or "paddle"; noted in a `.safetensors`.
        force: whether to replace an existing file.
        digest: whether to compute the file's SHA-256, which takes longer than the writing itself.

    Raises:
        TargetError: as `write_pdparams`, or a suffix that stands for no container of the framework.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        form = {TORCH: "pt", PADDLE: "paddle"}[framework]
        return write_atomically(path, list(safetensors.safetensors_chunks(tensors, form)), force=force, digest=digest)
    if path.suffix == ".pdparams" and framework == PADDLE:
        return write_pdparams(path, tensors, force=force, digest=digest)
    if path.suffix in (".pth", ".pt") and framework == TORCH:
        return write_atomically(path, torch_zip_chunks(tensors), force=force, digest=digest)
    suffixes = {PADDLE: ".pdparams or .safetensors", TORCH: ".pth, .pt or .safetensors"}[framework]
    raise TargetError(f"{path}: the target's name must end in {suffixes}")
