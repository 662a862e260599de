"""Reading a checkpoint file, whatever container it is, without running what it carries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from convert.arrays import Array, TensorType
from convert.checkpoints.containers import CONTAINERS, START, Container, recognise_container, what_is
from convert.checkpoints.contents import Contents
from convert.checkpoints.finding import WEIGHTS, IsNetwork, Place, Step, choose, take
from convert.checkpoints.folders import file_of
from convert.checkpoints.programs import DISTRIBUTED, distributed
from convert.errors import CheckpointError, FerryError, UnreadableSource, WrongChoice
from convert.files import ByteFile, SourceFile
from convert.paths import NO_PATH, AnyPath, is_possible
from convert.stored import StoredArray, read_all

# Loaded with this module, so that reading a file opens nothing but that file and its shards.
READERS = {row: row.load_reader() for row in CONTAINERS}


@dataclass(frozen=True)
class CheckpointOf(Generic[TensorType]):
    """A file's state dict.

    Attributes:
        path: the file.
        container: the name of its row in `CONTAINERS`.
        wrapper: the path of the state dict in the file, "ema.module"; empty for a bare one.
        tensors: the file's own keys to its tensors: read-only arrays, or arrays whose values are still in the file.
        files: the open file and, where that is the index of a sharded one, the files that hold the tensors.
        beside: what kinds of objects stand beside the weights and were not looked at, by the names of their classes.
        steps: the keys of that path, which a framework's own reader takes too.
        left_out: what stands among the tensors and is no weight by its type: names to what it is.
    """

    path: Path
    container: str
    wrapper: str
    tensors: Mapping[str, TensorType]
    files: tuple[ByteFile, ...] = ()
    beside: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

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
        path: the file, the index of a sharded one, or a folder with one of these; a file's content decides what it
            is, not its name.
        weights: which state dict to take, where a file holds several: its path ("model_ema", "ema.module").

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
        return SourceFile(file_of(Path(path)))
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror or error}; check the path and its permissions"
        ) from error
    except WrongChoice as error:
        raise WrongChoice(f"{path}: {error}") from error
    except (CheckpointError, ValueError) as error:  # the latter of a path that no system takes
        raise CheckpointError(f"{path}: {error}") from error


def open_checkpoint(
    file: ByteFile, *, weights: str = "", option: str = WEIGHTS, network: IsNetwork | None = None
) -> OpenCheckpoint:
    """What an open file holds, the tensors' values unread; errors are those of `read_checkpoint`.

    Args:
        file: the file.
        weights: which state dict to take, where it holds several.
        option: what the user calls `weights`.
        network: whose state dict it is; a ConvNeXt's unless given.
    """
    return _open(file, lambda contents: choose(contents, file.path, weights, option=option, network=network))


def reopen_checkpoint(file: ByteFile, steps: Sequence[Step]) -> OpenCheckpoint:
    """What a file holds of which `open_checkpoint` has found the state dict at those steps."""
    return _open(file, lambda contents: take(contents, steps))


@contextmanager
def named_errors(file: ByteFile) -> Iterator[None]:
    """Turns what readers raise into errors that begin with the file's path."""
    try:
        yield
    except UnreadableSource:
        raise
    except (FerryError, ValueError) as error:
        file.check_unchanged()  # or a file that is being written would be called damaged
        kind = type(error) if isinstance(error, FerryError) else CheckpointError
        raise kind(f"{file.path}: {error}") from error


def _open(file: ByteFile, find: Callable[[Contents], tuple[Place, dict[str, Any]]]) -> OpenCheckpoint:
    with named_errors(file):
        container = container_of(file)
        contents = READERS[container](file)
        place, state_dict = find(contents)
        tensors = contents.arrays(state_dict)
    files = (file, *contents.shards)
    return OpenCheckpoint(
        file.path,
        container.name,
        place.name,
        tensors,
        files,
        contents.beside,
        place.steps,
        contents.left_out,
    )


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
    return Checkpoint(**{**vars(checkpoint), "tensors": tensors})


def container_of(file: ByteFile) -> Container:
    """The container of an open file, by its content and its name; a CheckpointError says what it is instead."""
    if file.path.name.endswith(DISTRIBUTED):
        raise CheckpointError(distributed(file.path.parent, a_part=True))
    start = bytes(file.read(0, min(START, file.size)))
    container = recognise_container(file.path.name, start)
    if container is None:
        raise CheckpointError(what_is(start, file.path.name))
    return container
