"""A sharded safetensors: an index that names the files which hold the tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from convert.checkpoints.contents import Contents, contents_of_arrays
from convert.checkpoints.safetensors import parse_json, read_safetensors
from convert.errors import CheckpointError, FerryError, RefusedCheckpoint, UnreadableSource, quoted
from convert.files import ByteFile, whole
from convert.paths import is_possible
from convert.stored import StoredArray


def open_index(file: ByteFile) -> Contents:
    """The tensors of all files that an index names.

    Raises:
        CheckpointError: not an index, or a file that does not hold what the index says.
        RefusedCheckpoint: a file name that leads out of the folder.
    """
    files = _shard_names(file)
    shards = {name: _open_shard(file, name) for name in files}
    return contents_of_arrays(_read_shards(files, shards), tuple(shards[name] for name in sorted(shards)))


def _read_shards(files: Mapping[str, Sequence[str]], shards: Mapping[str, ByteFile]) -> dict[str, StoredArray]:
    tensors: dict[str, StoredArray] = {}
    for name, expected in files.items():
        shard = _read_shard(shards[name])
        if set(shard) != set(expected):
            odd = sorted(set(shard) ^ set(expected))
            raise CheckpointError(f"{name} does not hold what the index says: {quoted(odd)}; fetch both again")
        tensors |= shard
    return tensors


def _open_shard(index: ByteFile, name: str) -> ByteFile:
    try:
        return index.beside(name)
    except OSError as error:
        raise CheckpointError(
            f"{name}, which it names, cannot be read: {error.strerror or error}; put it there"
        ) from error
    except FerryError as error:
        raise type(error)(f"{name}: {error}") from error


def _read_shard(file: ByteFile) -> dict[str, StoredArray]:
    try:
        return read_safetensors(file)
    except UnreadableSource:
        raise
    except FerryError as error:
        raise type(error)(f"{file.path.name}: {error}") from error


def _shard_names(index: ByteFile) -> dict[str, list[str]]:
    """File name to the tensors that the index expects in it; files lie beside the index."""
    document = parse_json(whole(index), "the index")
    weight_map = document.get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(
            "an index without a weight_map from tensors to files; give the index that lies beside the shards"
        )
    files: dict[str, list[str]] = {}
    for tensor, name in weight_map.items():
        if Path(name).name != name or name in ("", ".", "..") or not is_possible(name):
            raise RefusedCheckpoint(f"the index names {name[:80]!r}, which is no file beside {index.path.name}")
        files.setdefault(name, []).append(tensor)
    return files
