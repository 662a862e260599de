"""Digests: of a file's bytes, and of a state dict whatever its container, its order or its framework's layout."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from convert.arrays import Array, dtype_name
from convert.buffers import flat_bytes
from convert.files import open_regular

PIECE = 1 << 20  # bytes, which stay in the processor's cache between their reading and their digesting


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes, hexadecimal."""
    with open_regular(path) as file:
        return sha256_of_descriptor(file.fileno())


def sha256_of_descriptor(descriptor: int) -> str:
    """Digest of an open file's bytes from its first one on, hexadecimal; where it is read or written next stays."""
    digest, position = hashlib.sha256(), 0
    while piece := os.pread(descriptor, PIECE, position):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


def tensor_digests(tensors: Mapping[str, Array]) -> dict[str, str]:
    """Name to the SHA-256 of the tensor's dtype, shape and values.

    Args:
        tensors: arrays in one layout, PyTorch's where files of both frameworks are compared; any strides.
    """
    return {name: _digest(array) for name, array in tensors.items()}


def combined_digest(digests: Mapping[str, str]) -> str:
    """One SHA-256 over all names and digests, in the names' order."""
    lines = (f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _digest(array: Array) -> str:
    digest = hashlib.sha256(f"{dtype_name(array.dtype)} {array.shape} ".encode())
    digest.update(flat_bytes(array))
    return digest.hexdigest()
