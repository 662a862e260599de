"""A sharded safetensors: an index that names the files which hold the tensors."""

from __future__ import annotations

from pathlib import Path

from convert.arrays import Array
from convert.checkpoints import safetensors
from convert.checkpoints.containers import SAFETENSORS
from convert.checkpoints.mapping import map_file
from convert.checkpoints.safetensors import parse_json
from convert.errors import CheckpointError, FerryError, RefusedCheckpoint, quoted
from convert.paths import is_possible


def shards_of(path: Path, container: str, buffer: memoryview) -> tuple[Path, ...]:
    if container != SAFETENSORS or not path.name.endswith(INDEX_SUFFIX):
        return ()
    return tuple(path.with_name(name) for name in sorted(shard_paths(path, bytes(buffer))))


def read_shards(index: Path, content: bytes) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    for name, expected in shard_paths(index, content).items():
        shard = _read_shard(index.with_name(name))
        if set(shard) != set(expected):
            odd = sorted(set(shard) ^ set(expected))
            raise CheckpointError(f"{name} does not hold what the index says: {quoted(odd)}; fetch both again")
        tensors |= shard
    return tensors


def _read_shard(path: Path) -> dict[str, Array]:
    try:
        return safetensors.read_safetensors(map_file(path))
    except OSError as error:
        raise CheckpointError(
            f"{path.name}, which it names, cannot be read: {error.strerror or error}; put it there"
        ) from error
    except FerryError as error:
        raise type(error)(f"{path.name}: {error}") from error


INDEX_SUFFIX = ".safetensors.index.json"


def shard_paths(index: Path, content: bytes) -> dict[str, list[str]]:
    """File name to the tensors that the index expects in it; files lie beside the index.

    Raises:
        CheckpointError: not an index.
        RefusedCheckpoint: a file name that leads out of the folder.
    """
    document = parse_json(content, "the index")
    weight_map = document.get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(
            "an index without a weight_map from tensors to files; give the index that lies beside the shards"
        )
    files: dict[str, list[str]] = {}
    for tensor, name in weight_map.items():
        if Path(name).name != name or name in ("", ".", "..") or not is_possible(name):
            raise RefusedCheckpoint(f"the index names {name[:80]!r}, which is no file beside {index.name}")
        files.setdefault(name, []).append(tensor)
    return files
