"""Checkpoint files: reading one never runs what it carries, writing one gives the same bytes for the same tensors."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.arrays import Array
from convert.checkpoints import torch_zip
from convert.checkpoints.atomic import Written, check_target, write_atomically
from convert.checkpoints.pdparams import pdparams_chunks, read_pdparams
from convert.checkpoints.torch_pickles import TensorRef
from convert.errors import CheckpointError, FerryError, shown

__all__ = ["Checkpoint", "Written", "check_target", "read_checkpoint", "sha256_of", "write_pdparams"]

# Keys under which training code wraps a state dict: the official code's and timm's.
LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # pickled, a file of torch < 1.6 begins so

WRAPPERS = ("model", "model_ema", "state_dict", "state_dict_ema")


@dataclass(frozen=True)
class Checkpoint:
    """A file's state dict.

    Attributes:
        path: the file.
        container: "torch zip" or "paddle pickle".
        wrapper: the key that the state dict stood under; empty for a bare one.
        tensors: the file's own keys to read-only arrays over a memory map of the file; copied nowhere yet.
    """

    path: Path
    container: str
    wrapper: str
    tensors: Mapping[str, Array]


def read_checkpoint(path: Path, *, weights: str = "") -> Checkpoint:
    """Reads a `.pth` of torch.save or a `.pdparams` of Paddle without running anything that it names.

    Args:
        path: the file; its content decides what it is, not its name.
        weights: which wrapped state dict to take, where a file holds several ("model_ema").

    Raises:
        CheckpointError: no such file, not a checkpoint, damaged, or several candidates; the text starts with the path.
    """
    try:
        buffer = _map(path)
        container, found, tensor = _open(path, buffer)
        wrapper, state_dict = _choose(found, weights)
        return Checkpoint(path, container, wrapper, {name: tensor(value) for name, value in state_dict.items()})
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (FerryError, ValueError) as error:
        kind = type(error) if isinstance(error, FerryError) else CheckpointError
        raise kind(f"{path}: {error}") from error


def write_pdparams(path: Path, tensors: Mapping[str, Array], *, force: bool = False) -> Written:
    """Writes a state dict in Paddle's layout as a canonical `.pdparams`.

    The bytes depend on names, order, shapes, dtypes and values alone. `paddle.load` of 2.6 and 3.x reads it.

    Raises:
        TargetError: the target exists and `force` is not given, or it cannot be written; nothing is lost.
    """
    return write_atomically(path, pdparams_chunks(tensors), force=force)


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise CheckpointError("is empty (0 bytes); the download may have failed, fetch it again")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _open(path: Path, buffer: memoryview) -> tuple[str, Any, Any]:
    start = bytes(buffer[:64])
    if start.startswith(torch_zip.MAGIC):
        archive = torch_zip.TorchZip(path, buffer)
        return "torch zip", archive.read(), lambda value: archive.tensor(value)
    if start.startswith(LEGACY_MAGIC):
        raise CheckpointError("is in torch.save's format from before 1.6; load and save it anew with torch")
    if start[:1] == b"\x80":
        return "paddle pickle", read_pdparams(buffer), lambda value: value
    raise CheckpointError(_what_is(start))


def _what_is(start: bytes) -> str:
    if start.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the file itself; run `git lfs pull`"
    if start.lstrip()[:1] == b"<":
        return "is a web page, not a checkpoint; the address gave an error page or wants a login"
    return "is neither a zip of torch.save nor a pickle of paddle.save; give the .pth or .pdparams itself"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (TensorRef, np.ndarray))


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
        raise CheckpointError(f"holds no tensors, neither bare nor under {_quoted(WRAPPERS)}; keys: {_quoted(found)}")
    if len(chosen) > 1:
        raise CheckpointError(f"holds several state dicts: {_quoted(candidates)}; choose one with --weights")
    return chosen[0], _checked(candidates[chosen[0]])


def _checked(state_dict: dict[Any, Any]) -> dict[str, Any]:
    odd = [
        shown(repr(name)) for name, value in state_dict.items() if not isinstance(name, str) or not _is_tensor(value)
    ]
    if odd:
        raise CheckpointError(f"the state dict holds {len(odd)} entries that are no tensors: {_listed(odd)}")
    return state_dict


def _quoted(names: Iterable[Any]) -> str:
    return _listed([shown(repr(name), 60) if name != "" else "the bare state dict" for name in names])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "nothing"
