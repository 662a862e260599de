"""A digest of a state dict that does not depend on its container, its order or its framework's layout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from convert.arrays import Array, dtype_name
from convert.strips import flat_bytes


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
