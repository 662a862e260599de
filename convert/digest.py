"""Digests: of a file's bytes, and of a state dict whatever its container, its order or its framework's layout."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from convert.arrays import Tensor, dtype_name
from convert.buffers import Buffer, flat_bytes
from convert.regular import open_regular

PIECE = 1 << 20  # bytes, which stay in the processor's cache between their reading and their digesting


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes, hexadecimal."""
    with open_regular(path) as file:
        return sha256_of_open(file.fileno())


def sha256_of_open(descriptor: int) -> str:
    """Digest of an open file's bytes from its first one on, hexadecimal; where it is read or written next stays."""
    digest, position = hashlib.sha256(), 0
    while piece := os.pread(descriptor, PIECE, position):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


def tensor_digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Name to the SHA-256 of the tensor's dtype, shape and values.

    Args:
        tensors: arrays in one layout, PyTorch's where files of both frameworks are compared; any strides.
    """
    return {name: tensor_digest(tensor) for name, tensor in tensors.items()}


def combined_digest(digests: Mapping[str, str]) -> str:
    """One SHA-256 over all names and digests, in the names' order."""
    lines = (f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def tensor_digest(tensor: Tensor) -> str:
    """SHA-256 of a tensor's dtype, shape and values, hexadecimal; any strides."""
    digest = hashlib.sha256(f"{dtype_name(tensor.dtype)} {tensor.shape} ".encode())
    buffer = Buffer()
    for part in _parts(tensor):
        digest.update(flat_bytes(part, buffer))
    return digest.hexdigest()


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """The tensor by rows of which a copy, where one is needed, stays small."""
    if not isinstance(tensor, np.ndarray) or tensor.ndim < 2 or tensor.flags.c_contiguous or not tensor.size:
        yield tensor
        return
    rows = max(1, PIECE * len(tensor) // tensor.nbytes)
    for row in range(0, len(tensor), rows):
        yield tensor[row : row + rows]
