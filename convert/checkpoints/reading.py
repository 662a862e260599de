"""Reading a checkpoint file, whatever container it is, without running what it carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from convert.arrays import Array, TensorType
from convert.checkpoints.containers import CONTAINERS, START, Container, recognise_container, what_is
from convert.checkpoints.contents import Contents
from convert.checkpoints.pickle_globals import Inert, refusal_of
from convert.errors import (
    CheckpointError,
    FerryError,
    RefusedCheckpoint,
    UnreadableSource,
    WrongChoice,
    listed,
    quoted,
    shown,
)
from convert.files import ByteFile, SourceFile
from convert.paths import NO_PATH, AnyPath, is_possible
from convert.stored import StoredArray, read_all

MAX_TENSORS = 20_000  # of a state dict; a ConvNeXt has 400, and one tensor can be named again in five bytes

# Loaded with this module, so that reading a file opens nothing but that file and its shards.
READERS = {row: row.load_reader() for row in CONTAINERS}

# Keys under which training code wraps a state dict: the official code's and timm's.
WRAPPERS = ("model", "model_ema", "state_dict", "state_dict_ema")


@dataclass(frozen=True)
class CheckpointOf(Generic[TensorType]):
    """A file's state dict.

    Attributes:
        path: the file.
        container: the name of its row in `CONTAINERS`.
        wrapper: the key that the state dict stood under; empty for a bare one.
        tensors: the file's own keys to its tensors: read-only arrays, or arrays whose values are still in the file.
        files: the open file and, where that is the index of a sharded one, the files that hold the tensors.
        beside: what kinds of objects stand beside the weights and were not looked at, by the names of their classes.
    """

    path: Path
    container: str
    wrapper: str
    tensors: Mapping[str, TensorType]
    files: tuple[ByteFile, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def shards(self) -> tuple[Path, ...]:
        """The files that hold the tensors, where `path` is the index of a sharded one."""
        return tuple(file.path for file in self.files[1:])

    def check_unchanged(self) -> None:
        """Raises UnreadableSource where a file is no longer the one that was opened."""
        for file in self.files:
            file.check_unchanged()


class Checkpoint(CheckpointOf[Array]):
    """A file's state dict, in memory: each byte was read once, and checked."""


class OpenCheckpoint(CheckpointOf[StoredArray]):
    """A file's state dict, whose values are still in the open file."""


def read_checkpoint(path: AnyPath, *, weights: str = "") -> Checkpoint:
    """Reads a checkpoint of PyTorch, Paddle or safetensors without running anything that it names.

    Args:
        path: the file, or the `.safetensors.index.json` of a sharded one; its content decides what it is, not its name.
        weights: which wrapped state dict to take, where a file holds several ("model_ema").

    Raises:
        CheckpointError: no such file, not a checkpoint, damaged, changed while it was read, or several candidates; the
            text starts with the path.
    """
    return load_checkpoint(open_checkpoint(open_file(path), weights=weights))


def open_file(path: AnyPath) -> SourceFile:
    """Opens a file that may be a checkpoint, once. Raises CheckpointError where that cannot be."""
    if not is_possible(path):
        raise CheckpointError(f"{path}: {NO_PATH}")
    try:
        return SourceFile(Path(path))
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror or error}; check the path and its permissions"
        ) from error
    except (CheckpointError, ValueError) as error:  # the latter of a path that no system takes
        raise CheckpointError(f"{path}: {error}") from error


def open_checkpoint(file: ByteFile, *, weights: str = "") -> OpenCheckpoint:
    """What an open file holds, the tensors' values unread; arguments and errors are those of `read_checkpoint`."""
    try:
        container = _container(file)
        contents = READERS[container](file)
        wrapper, state_dict = _choose(contents, weights)
        tensors = contents.arrays(state_dict)
    except UnreadableSource:
        raise
    except (FerryError, ValueError) as error:
        file.check_unchanged()  # or a file that is being written would be called damaged
        kind = type(error) if isinstance(error, FerryError) else CheckpointError
        raise kind(f"{file.path}: {error}") from error
    files = (file, *contents.shards)
    return OpenCheckpoint(file.path, container.name, wrapper, tensors, files, contents.beside)


def load_checkpoint(checkpoint: OpenCheckpoint) -> Checkpoint:
    """The same with its tensors in memory, every byte read once and checked.

    Raises:
        CheckpointError: damaged, or changed while it was read.
    """
    try:
        tensors = read_all(checkpoint.tensors)
    except ValueError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from error
    checkpoint.check_unchanged()
    return Checkpoint(
        checkpoint.path, checkpoint.container, checkpoint.wrapper, tensors, checkpoint.files, checkpoint.beside
    )


def _container(file: ByteFile) -> Container:
    start = bytes(file.read(0, min(START, file.size)))
    container = recognise_container(file.path.name, start)
    if container is None:
        raise CheckpointError(what_is(start))
    return container


def _choose(contents: Contents, weights: str) -> tuple[str, dict[str, Any]]:
    """The chosen wrapper, "" for none, and the state dict under it."""
    root = contents.root
    if isinstance(root, Inert) and root.name:
        raise RefusedCheckpoint(
            f"holds a {root.name}, which was not run, not a state dict; its author can save model.state_dict() of it"
        )
    _refuse_first([root])
    if not isinstance(root, dict):
        raise CheckpointError(f"holds a {type(root).__name__}, not a state dict; save model.state_dict()")
    places = {"": root, **{wrapper: root.get(wrapper) for wrapper in WRAPPERS}}
    candidates = {
        wrapper: place
        for wrapper, place in places.items()
        if isinstance(place, dict) and any(map(contents.is_tensor, place.values()))
    }
    if len(candidates) > 1:  # a state dict holds no other: tensors beside one are a best accuracy, a random state
        candidates.pop("", None)
    chosen = [weights] if weights else list(candidates)
    if weights and weights not in candidates:
        kind = WrongChoice if candidates else CheckpointError
        raise kind(f"has no weights under {weights!r}; it holds {quoted(candidates)}")
    if not chosen:
        _refuse_first(places.values())
        _refuse_first(value for place in places.values() if isinstance(place, dict) for value in place.values())
        raise CheckpointError(
            f"holds no tensors, neither bare nor under {quoted(WRAPPERS)}; keys: {quoted(root)}; "
            "save model.state_dict()"
        )
    if len(chosen) > 1:
        raise WrongChoice(f"holds several state dicts: {quoted(candidates)}; choose one with --weights")
    return chosen[0], _checked(candidates[chosen[0]], contents)


def _checked(state_dict: dict[Any, Any], contents: Contents) -> dict[str, Any]:
    if len(state_dict) > MAX_TENSORS:
        raise RefusedCheckpoint(f"{len(state_dict):,} tensors, where {MAX_TENSORS:,} are the limit")
    _refuse_first(state_dict.values())
    odd = [
        shown(repr(name))
        for name, value in state_dict.items()
        if not isinstance(name, str) or not contents.is_tensor(value)
    ]
    if odd:
        raise CheckpointError(
            f"the state dict holds {len(odd)} entries that are no tensors: {listed(odd)}; save model.state_dict()"
        )
    return state_dict


def _refuse_first(values: Iterable[Any]) -> None:
    """Raises RefusedCheckpoint for the first value that may not stand among the weights, with its reason."""
    if refusal := next(filter(None, map(refusal_of, values)), ""):
        raise RefusedCheckpoint(refusal)
