"""Reading a checkpoint file, whatever container it is, without running what it carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.arrays import Array
from convert.checkpoints import safetensors, torch_legacy, torch_zip
from convert.checkpoints.containers import (
    PADDLE_PICKLE,
    SAFETENSORS,
    TORCH_LEGACY,
    TORCH_ZIP,
    what_is,
)
from convert.checkpoints.mapping import map_file
from convert.checkpoints.numpy_pickles import PickledArray
from convert.checkpoints.pdparams import read_pdparams
from convert.checkpoints.shards import INDEX_SUFFIX, read_shards, shards_of
from convert.checkpoints.torch_pickles import TensorRef
from convert.errors import CheckpointError, FerryError, RefusedCheckpoint, WrongChoice, listed, quoted, shown
from convert.paths import AnyPath

MAX_TENSORS = 20_000  # of a state dict; a ConvNeXt has 400, and one tensor can be named again in five bytes

# Keys under which training code wraps a state dict: the official code's and timm's.
WRAPPERS = ("model", "model_ema", "state_dict", "state_dict_ema")


@dataclass(frozen=True)
class Checkpoint:
    """A file's state dict.

    Attributes:
        path: the file.
        container: "torch zip", "torch legacy", "paddle pickle" or "safetensors".
        wrapper: the key that the state dict stood under; empty for a bare one.
        tensors: the file's own keys to read-only arrays over a memory map of the file; copied nowhere yet.
        shards: the files that hold the tensors, where `path` is the index of a sharded one.
    """

    path: Path
    container: str
    wrapper: str
    tensors: Mapping[str, Array]
    shards: tuple[Path, ...] = ()


def read_checkpoint(path: AnyPath, *, weights: str = "") -> Checkpoint:
    """Reads a checkpoint of PyTorch, Paddle or safetensors without running anything that it names.

    Args:
        path: the file, or the `.safetensors.index.json` of a sharded one; its content decides what it is, not its name.
        weights: which wrapped state dict to take, where a file holds several ("model_ema").

    Raises:
        CheckpointError: no such file, not a checkpoint, damaged, or several candidates; the text starts with the path.
    """
    path = Path(path)
    try:
        buffer = map_file(path)
        container, content, tensors = _open(path, buffer)
        wrapper, state_dict = _choose(content, weights)
        return Checkpoint(path, container, wrapper, tensors(state_dict), shards_of(path, container, buffer))
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror or error}; check the path and its permissions"
        ) from error
    except (FerryError, ValueError) as error:
        kind = type(error) if isinstance(error, FerryError) else CheckpointError
        raise kind(f"{path}: {error}") from error


def _open(path: Path, buffer: memoryview) -> tuple[str, Any, Callable[[dict[str, Any]], dict[str, Array]]]:
    """The container's name, what it holds, and the way from a state dict in it to arrays."""
    start = bytes(buffer[:64])
    if start.startswith(torch_zip.MAGIC):
        archive = torch_zip.TorchZip(path, buffer)
        return TORCH_ZIP, archive.read(), archive.tensors
    if start.startswith(torch_legacy.MAGIC):
        legacy = torch_legacy.TorchLegacy(buffer)
        return TORCH_LEGACY, legacy.content, legacy.tensors
    if path.name.endswith(INDEX_SUFFIX):
        return SAFETENSORS, read_shards(path, bytes(buffer)), dict
    if safetensors.looks_like(start):
        return SAFETENSORS, safetensors.read_safetensors(buffer), dict
    if start[:1] == b"\x80":
        return PADDLE_PICKLE, read_pdparams(buffer), _arrays
    raise CheckpointError(what_is(start))


def _arrays(state_dict: dict[str, Any]) -> dict[str, Array]:
    return {name: value.array for name, value in state_dict.items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (TensorRef, np.ndarray)) or (isinstance(value, PickledArray) and value.array is not None)


def _choose(content: Any, weights: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(content, dict):
        raise CheckpointError(f"holds a {type(content).__name__}, not a state dict; save model.state_dict()")
    candidates = {"": content} if any(_is_tensor(value) for value in content.values()) else {}
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, dict) and any(_is_tensor(value) for value in inner.values()):
            candidates[wrapper] = inner
    chosen = [weights] if weights else list(candidates)
    if weights and weights not in candidates:
        kind = WrongChoice if candidates else CheckpointError
        raise kind(f"has no weights under {weights!r}; it holds {quoted(candidates)}")
    if not chosen:
        raise CheckpointError(
            f"holds no tensors, neither bare nor under {quoted(WRAPPERS)}; keys: {quoted(content)}; "
            "save model.state_dict()"
        )
    if len(chosen) > 1:
        raise WrongChoice(f"holds several state dicts: {quoted(candidates)}; choose one with --weights")
    return chosen[0], _checked(candidates[chosen[0]])


def _checked(state_dict: dict[Any, Any]) -> dict[str, Any]:
    if len(state_dict) > MAX_TENSORS:
        raise RefusedCheckpoint(f"{len(state_dict):,} tensors, where {MAX_TENSORS:,} are the limit")
    odd = [
        shown(repr(name)) for name, value in state_dict.items() if not isinstance(name, str) or not _is_tensor(value)
    ]
    if odd:
        raise CheckpointError(
            f"the state dict holds {len(odd)} entries that are no tensors: {listed(odd)}; save model.state_dict()"
        )
    return state_dict
