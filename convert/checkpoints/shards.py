"""A sharded checkpoint: an index that names the files which hold the tensors, safetensors or torch.save's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from convert.checkpoints.contents import Contents, contents_of_arrays
from convert.checkpoints.safetensors import open_safetensors, parse_json
from convert.checkpoints.torch_legacy import open_torch_legacy
from convert.checkpoints.torch_zip import open_torch_zip
from convert.errors import CheckpointError, FerryError, RefusedCheckpoint, UnreadableSource, quoted
from convert.files import ByteFile, whole
from convert.paths import is_possible
from convert.stored import StoredArray

ZIP = b"PK\x03\x04"

ReadShard = Callable[[ByteFile], Contents]


def open_index(file: ByteFile) -> Contents:
    """The tensors of all safetensors that an index names.

    Raises:
        CheckpointError: not an index, or a file that does not hold what the index says.
        RefusedCheckpoint: a file name that leads out of the folder.
    """
    return _open(file, open_safetensors)


def open_torch_index(file: ByteFile) -> Contents:
    """The tensors of all files of torch.save that an index names; the errors are those of `open_index`."""
    return _open(file, _open_torch)


def _open(index: ByteFile, read: ReadShard) -> Contents:
    files = _shard_names(index)
    shards = {name: _open_shard(index, name) for name in files}
    contents = {name: _read_shard(shard, read) for name, shard in shards.items()}
    tensors = {key: array for name in files for key, array in _tensors(name, files[name], contents[name]).items()}
    merged = contents_of_arrays(tensors, tuple(shards[name] for name in sorted(shards)))
    beside = dict.fromkeys(kind for shard in contents.values() for kind in shard.beside)
    return replace(merged, beside=tuple(beside))


def _tensors(name: str, expected: Sequence[str], contents: Contents) -> dict[str, StoredArray]:
    root = contents.root
    if not isinstance(root, dict) or set(root) != set(expected):
        odd = sorted(set(map(str, root if isinstance(root, dict) else ())) ^ set(expected))
        raise CheckpointError(f"{name} does not hold what the index says: {quoted(odd)}; fetch both again")
    if strange := [key for key, value in root.items() if not contents.is_tensor(value)]:
        raise CheckpointError(f"{name} holds entries that are no tensors: {quoted(strange)}; fetch it again")
    try:
        return contents.arrays(root)
    except ValueError as error:
        raise CheckpointError(f"{name}: {error}") from error


def _open_torch(file: ByteFile) -> Contents:
    is_zip = bytes(file.read(0, min(4, file.size))) == ZIP
    return open_torch_zip(file) if is_zip else open_torch_legacy(file)


def _open_shard(index: ByteFile, name: str) -> ByteFile:
    try:
        return index.beside(name)
    except OSError as error:
        raise CheckpointError(
            f"{name}, which it names, cannot be read: {error.strerror or error}; put it there"
        ) from error
    except FerryError as error:
        raise type(error)(f"{name}: {error}") from error


def _read_shard(file: ByteFile, read: ReadShard) -> Contents:
    try:
        return read(file)
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
