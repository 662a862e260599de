"""Checkpoint files: reading one never runs what it carries, writing one gives the same bytes for the same tensors."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.arrays import Array
from convert.checkpoints import safetensors, torch_legacy, torch_zip
from convert.checkpoints.atomic import Written, check_target, write_atomically
from convert.checkpoints.numpy_pickles import PickledArray
from convert.checkpoints.pdparams import pdparams_chunks, read_pdparams
from convert.checkpoints.torch_pickles import TensorRef
from convert.checkpoints.torch_write import torch_zip_chunks
from convert.digest import sha256_of
from convert.errors import CheckpointError, FerryError, RefusedCheckpoint, TargetError, shown

__all__ = [
    "PADDLE",
    "SAFETENSORS",
    "TORCH_CONTAINERS",
    "TORCH_ZIP",
    "Checkpoint",
    "Written",
    "check_target",
    "read_checkpoint",
    "sha256_of",
    "write_checkpoint",
    "write_pdparams",
]

TORCH_ZIP, TORCH_LEGACY, PADDLE, SAFETENSORS = "torch zip", "torch legacy", "paddle pickle", "safetensors"
TORCH_CONTAINERS = (TORCH_ZIP, TORCH_LEGACY)

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


def read_checkpoint(path: Path, *, weights: str = "") -> Checkpoint:
    """Reads a checkpoint of PyTorch, Paddle or safetensors without running anything that it names.

    Args:
        path: the file, or the `.safetensors.index.json` of a sharded one; its content decides what it is, not its name.
        weights: which wrapped state dict to take, where a file holds several ("model_ema").

    Raises:
        CheckpointError: no such file, not a checkpoint, damaged, or several candidates; the text starts with the path.
    """
    try:
        buffer = _map(path)
        container, found, tensors = _open(path, buffer)
        wrapper, state_dict = _choose(found, weights)
        return Checkpoint(path, container, wrapper, tensors(state_dict), _shards(path, container, buffer))
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror or error}; check the path and its permissions"
        ) from error
    except (FerryError, ValueError) as error:
        kind = type(error) if isinstance(error, FerryError) else CheckpointError
        raise kind(f"{path}: {error}") from error


def write_pdparams(path: Path, tensors: Mapping[str, Array], *, force: bool = False, digest: bool = True) -> Written:
    """Writes a state dict in Paddle's layout as a canonical `.pdparams`.

    The bytes depend on names, order, shapes, dtypes and values alone. `paddle.load` of 2.6 and 3.x reads it.

    Raises:
        TargetError: the target exists and `force` is not given, or it cannot be written; nothing is lost.
    """
    return write_atomically(path, list(pdparams_chunks(tensors)), force=force, digest=digest)


def write_checkpoint(
    path: Path, tensors: Mapping[str, Array], *, framework: str, force: bool = False, digest: bool = True
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
    if path.suffix == ".safetensors":
        form = {"torch": "pt", "paddle": "paddle"}[framework]
        return write_atomically(path, list(safetensors.safetensors_chunks(tensors, form)), force=force, digest=digest)
    if path.suffix == ".pdparams" and framework == "paddle":
        return write_pdparams(path, tensors, force=force, digest=digest)
    if path.suffix in (".pth", ".pt") and framework == "torch":
        return write_atomically(path, torch_zip_chunks(tensors), force=force, digest=digest)
    suffixes = {"paddle": ".pdparams or .safetensors", "torch": ".pth, .pt or .safetensors"}[framework]
    raise TargetError(f"{path}: the target's name must end in {suffixes}")


def _map(path: Path) -> memoryview:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe may wait for ever
        raise CheckpointError("is a pipe or a device, not a file; save it to the disk first")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise CheckpointError("is empty (0 bytes); the download may have failed, fetch it again")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _open(path: Path, buffer: memoryview) -> tuple[str, Any, Callable[[dict[str, Any]], dict[str, Array]]]:
    """The container's name, what it holds, and the way from a state dict in it to arrays."""
    start = bytes(buffer[:64])
    if start.startswith(torch_zip.MAGIC):
        archive = torch_zip.TorchZip(path, buffer)
        return TORCH_ZIP, archive.read(), archive.tensors
    if start.startswith(torch_legacy.MAGIC):
        legacy = torch_legacy.TorchLegacy(buffer)
        return TORCH_LEGACY, legacy.found, legacy.tensors
    if path.name.endswith(safetensors.INDEX_SUFFIX):
        return SAFETENSORS, _read_shards(path, bytes(buffer)), dict
    if safetensors.looks_like(start):
        return SAFETENSORS, safetensors.read_safetensors(buffer), dict
    if start[:1] == b"\x80":
        return PADDLE, read_pdparams(buffer), _arrays
    raise CheckpointError(_what_is(start))


def _shards(path: Path, container: str, buffer: memoryview) -> tuple[Path, ...]:
    if container != SAFETENSORS or not path.name.endswith(safetensors.INDEX_SUFFIX):
        return ()
    return tuple(path.with_name(name) for name in sorted(safetensors.shard_paths(path, bytes(buffer))))


def _read_shards(index: Path, content: bytes) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    for name, expected in safetensors.shard_paths(index, content).items():
        shard = _read_shard(index.with_name(name))
        if set(shard) != set(expected):
            odd = sorted(set(shard) ^ set(expected))
            raise CheckpointError(f"{name} does not hold what the index says: {_quoted(odd)}; fetch both again")
        tensors |= shard
    return tensors


def _read_shard(path: Path) -> dict[str, Array]:
    try:
        return safetensors.read_safetensors(_map(path))
    except OSError as error:
        raise CheckpointError(
            f"{path.name}, which it names, cannot be read: {error.strerror or error}; put it there"
        ) from error
    except FerryError as error:
        raise type(error)(f"{path.name}: {error}") from error


def _what_is(start: bytes) -> str:
    if start.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the file itself; run `git lfs pull`"
    if start.lstrip()[:1] == b"<":
        return "is a web page, not a checkpoint; the address gave an error page or wants a login"
    return "is no checkpoint of torch.save, paddle.save or safetensors; give the .pth, .pdparams or .safetensors itself"


def _arrays(state_dict: dict[str, Any]) -> dict[str, Array]:
    return {name: value.array for name, value in state_dict.items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (TensorRef, np.ndarray)) or (isinstance(value, PickledArray) and value.array is not None)


def _choose(found: Any, weights: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(found, dict):
        raise CheckpointError(f"holds a {type(found).__name__}, not a state dict; save model.state_dict()")
    candidates = {"": found} if any(_is_tensor(value) for value in found.values()) else {}
    for wrapper in WRAPPERS:
        inner = found.get(wrapper)
        if isinstance(inner, dict) and any(_is_tensor(value) for value in inner.values()):
            candidates[wrapper] = inner
    chosen = [weights] if weights else list(candidates)
    if weights and weights not in candidates:
        raise CheckpointError(f"has no weights under {weights!r}; it holds {_quoted(candidates)}")
    if not chosen:
        raise CheckpointError(
            f"holds no tensors, neither bare nor under {_quoted(WRAPPERS)}; keys: {_quoted(found)}; "
            "save model.state_dict()"
        )
    if len(chosen) > 1:
        raise CheckpointError(f"holds several state dicts: {_quoted(candidates)}; choose one with --weights")
    return chosen[0], _checked(candidates[chosen[0]])


def _checked(state_dict: dict[Any, Any]) -> dict[str, Any]:
    if len(state_dict) > MAX_TENSORS:
        raise RefusedCheckpoint(f"{len(state_dict):,} tensors, where {MAX_TENSORS:,} are the limit")
    odd = [
        shown(repr(name)) for name, value in state_dict.items() if not isinstance(name, str) or not _is_tensor(value)
    ]
    if odd:
        raise CheckpointError(
            f"the state dict holds {len(odd)} entries that are no tensors: {_listed(odd)}; save model.state_dict()"
        )
    return state_dict


def _quoted(names: Iterable[Any]) -> str:
    return _listed([shown(repr(name), 60) if name != "" else "the bare state dict" for name in names])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"
