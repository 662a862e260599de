"""An open checkpoint file with all that is in it: no state dict is chosen, and none has to be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from convert.arrays import BFLOAT16
from convert.checkpoints.containers import Container
from convert.checkpoints.contents import Contents
from convert.checkpoints.finding import MAX_TENSORS
from convert.checkpoints.pickle_globals import refusing
from convert.checkpoints.reading import READERS, container_of, named_errors, open_checkpoint, open_file
from convert.errors import CheckpointError, FerryError, RefusedCheckpoint, UnreadableSource, shown
from convert.files import ByteFile
from convert.inspect.places import Beside, Place, find_places, join_path
from convert.paths import AnyPath
from convert.stored import StoredArray

MAX_SHARE = 8  # times the file's bytes, of all views of them; a tensor beside its parts takes two


@dataclass(frozen=True)
class OpenPlace:
    """A dict of a file that has tensors in it.

    Attributes:
        path: as a `Place` has it.
        is_state_dict: likewise.
        is_optimizer: likewise.
        tensors: names in it to tensors whose values are still in the file.
    """

    path: str
    is_state_dict: bool
    is_optimizer: bool
    tensors: Mapping[str, StoredArray]


@dataclass(frozen=True)
class Opened:
    """An open file.

    Attributes:
        container: its row in `CONTAINERS`.
        files: the open file and, where that is the index of a sharded one, the files that hold the tensors.
        places: what has tensors in it, in the file's order.
        beside: what stands beside the tensors.
        kinds: the names of classes whose objects stand beside them and were not looked at.
    """

    container: Container
    files: tuple[ByteFile, ...]
    places: tuple[OpenPlace, ...]
    beside: tuple[Beside, ...]
    kinds: tuple[str, ...]

    @property
    def file(self) -> ByteFile:
        """The file itself."""
        return self.files[0]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def check_unchanged(self) -> None:
        """Raises UnreadableSource where a file is no longer the one that was opened."""
        for file in self.files:
            file.check_unchanged()


def open_everything(path: AnyPath) -> Opened:
    """Opens a checkpoint of any family.

    Raises:
        CheckpointError: no such file, not a checkpoint, damaged, no tensors in it; the text starts with the path. What
            `read_checkpoint` refuses is refused with the same text.
    """
    file = open_file(path)
    with named_errors(file):
        container = container_of(file)
        contents = READERS[container](file)
        places, beside = find_places(contents)
        _check_places(places)
    if not places:
        open_checkpoint(file)  # which says what there is instead
        raise CheckpointError(f"{file.path}: holds no tensors; save model.state_dict()")
    files = (file, *contents.shards)
    with named_errors(file):
        opened, unread = _open_places(places, contents, container)
        _check_share([tensor for place in opened for tensor in place.tensors.values()], files)
    return Opened(container, files, opened, (*beside, *unread), contents.beside)


def view_key(tensor: StoredArray) -> object:
    """What is equal for two tensors that are the same values of a file."""
    return tensor.storage.stretch, tensor.stored, tensor.dtype, tensor.shape, tensor.strides, tensor.offset


def _check_places(places: Sequence[Place]) -> None:
    refusals = [refusal for place in places if place.is_large for refusal in place.refusals]
    if refusals:
        raise refusing(refusals[0])
    count = sum(len(place.tensors) for place in places)
    if count > MAX_TENSORS:
        raise RefusedCheckpoint(f"{count:,} tensors, where {MAX_TENSORS:,} are the limit")


def _open_places(
    places: Sequence[Place], contents: Contents, container: Container
) -> tuple[tuple[OpenPlace, ...], list[Beside]]:
    """The places' tensors, and those beside the weights that cannot be tensors, each with the reason."""
    opened, unread = [], []
    for place in places:
        if place.is_large:
            tensors = contents.arrays(place.tensors)
        else:
            tensors, reasons = _open_what_opens(place, contents)
            unread += [
                Beside(join_path(place.path, name), f"an unreadable tensor: {why}") for name, why in reasons.items()
            ]
        opened.append(
            OpenPlace(place.path, place.is_state_dict, place.is_optimizer, _with_bfloat16(tensors, container))
        )
    return tuple(opened), unread


def _open_what_opens(place: Place, contents: Contents) -> tuple[dict[str, StoredArray], dict[str, str]]:
    tensors: dict[str, StoredArray] = {}
    reasons: dict[str, str] = {}
    for name, described in place.tensors.items():
        try:
            tensors |= contents.arrays({name: described})
        except UnreadableSource:
            raise
        except (FerryError, ValueError) as error:
            reasons[name] = shown(error)
    return tensors, reasons


def _with_bfloat16(tensors: Mapping[str, StoredArray], container: Container) -> dict[str, StoredArray]:
    """The tensors; where the container keeps bfloat16 as a dtype that it does not have itself, as bfloat16."""
    if not container.bfloat16:
        return dict(tensors)
    kept_as = np.dtype(container.bfloat16)
    return {name: array.view(BFLOAT16) if array.dtype == kept_as else array for name, array in tensors.items()}


def _check_share(tensors: Sequence[StoredArray], files: Sequence[ByteFile]) -> None:
    """Refuses views that would have the same bytes read over and over."""
    viewed = sum(tensor.nbytes for tensor in {view_key(tensor): tensor for tensor in tensors}.values())
    size = sum(file.size for file in files)
    if viewed > MAX_SHARE * size:
        raise RefusedCheckpoint(
            f"its tensors take {viewed:,} bytes of a file of {size:,}: they share them more than {MAX_SHARE} times"
        )
