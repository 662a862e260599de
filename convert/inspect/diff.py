"""What parts the weights of two files, compared as they lie: name by name, whatever their containers."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.arrays import dtype_name
from convert.buffers import Buffer
from convert.cores import on_cores
from convert.errors import WrongChoice, quoted
from convert.inspect.measure import Progress, ignore_progress, measure
from convert.inspect.opened import Opened, OpenPlace, open_everything
from convert.inspect.places import join_path
from convert.inspect.values import Buffers, ValueDifference, compare_values
from convert.params import Shape
from convert.paths import AnyPath
from convert.stored import StoredArray

Tensors = Mapping[str, StoredArray]


@dataclass(frozen=True)
class Side:
    """One of the two files.

    Attributes:
        path: as it was given.
        container: the name of its row in `CONTAINERS`.
        weights: the path of the state dict that was compared; empty for the file's own object, or where all were.
        tensors: how many it has.
    """

    path: Path
    container: str
    weights: str
    tensors: int


@dataclass(frozen=True)
class Difference:
    """A tensor that both files have, and that is not the same in them.

    Attributes:
        name: in both.
        shapes: in the first file and in the second.
        dtypes: likewise.
        values: how far the values are apart; None where the shapes differ.
        transposed: whether the second file's is the first one's transpose, bit for bit.
    """

    name: str
    shapes: tuple[Shape, Shape]
    dtypes: tuple[str, str]
    values: ValueDifference | None
    transposed: bool


@dataclass(frozen=True)
class Renamed:
    """A tensor of one file that the other has under another name, or transposed under another name."""

    first: str
    second: str
    transposed: bool


@dataclass(frozen=True)
class FileDiff:
    """What parts two files.

    Attributes:
        sides: the two files.
        only: the names that only the first file has, and those that only the second has.
        different: the tensors of both that differ.
        renamed: of the tensors that one file alone has, those that are equal to one of the other.
        same: how many tensors are the same, bit for bit, in both.
    """

    sides: tuple[Side, Side]
    only: tuple[tuple[str, ...], tuple[str, ...]]
    different: tuple[Difference, ...]
    renamed: tuple[Renamed, ...]
    same: int

    @property
    def is_equal(self) -> bool:
        """Whether both have the same names, shapes, dtypes and values."""
        return not self.different and not any(self.only)


def diff_files(first: AnyPath, second: AnyPath, *, weights: str = "", progress: Progress = ignore_progress) -> FileDiff:
    """Compares the state dicts of two files. What lies beside them is not compared.

    Args:
        first: a file.
        second: another one.
        weights: the path of the state dict to take, in a file that holds several.
        progress: told of bytes that were read.

    Raises:
        WrongChoice: a file holds several state dicts and the other not the same ones, or not the one that was chosen.
        CheckpointError: a file is no good.
    """
    opened = open_everything(first), open_everything(second)
    places = _choose(opened[0], weights), _choose(opened[1], weights)
    if not weights and [place.path for place in places[0]] != [place.path for place in places[1]]:
        for file, chosen in zip(opened, places, strict=True):
            _refuse_several(file, chosen)
    one, other = map(_tensors, places)
    different = [difference for difference in _compare(one, other, progress) if difference]
    only = tuple(name for name in one if name not in other), tuple(name for name in other if name not in one)
    renamed = tuple(_renamed({name: one[name] for name in only[0]}, {name: other[name] for name in only[1]}))
    for file in opened:
        file.check_unchanged()
    same = sum(name in other for name in one) - len(different)
    left, right = (_side(*side) for side in zip(opened, places, strict=True))
    return FileDiff((left, right), only, tuple(different), renamed, same)


def _side(opened: Opened, places: list[OpenPlace]) -> Side:
    weights = places[0].path if len(places) == 1 else ""
    return Side(opened.file.path, opened.container.name, weights, sum(len(place.tensors) for place in places))


def _choose(opened: Opened, weights: str) -> list[OpenPlace]:
    """The state dicts of a file, or the one that was chosen; of a file without any, whatever has tensors."""
    places = [place for place in opened.places if place.is_state_dict] or list(opened.places)
    if not weights or len(places) == 1:
        return places
    chosen = [place for place in places if place.path == weights]
    if not chosen:
        names = quoted(place.path for place in places)
        raise WrongChoice(f"{opened.file.path}: has no weights under {weights!r}; it holds {names}")
    return chosen


def _refuse_several(opened: Opened, places: list[OpenPlace]) -> None:
    if len(places) > 1:
        names = quoted(place.path for place in places)
        raise WrongChoice(f"{opened.file.path}: holds several state dicts: {names}; choose one with --weights")


def _tensors(places: list[OpenPlace]) -> dict[str, StoredArray]:
    """Names to tensors; in full where there are several state dicts."""
    if len(places) == 1:
        return dict(places[0].tensors)
    return {join_path(place.path, name): tensor for place in places for name, tensor in place.tensors.items()}


def _compare(one: Tensors, other: Tensors, progress: Progress) -> list[Difference | None]:
    """Of each name that both have, what parts them; None where nothing does."""
    buffers = threading.local()

    def compare(name: str) -> Difference | None:
        buffers.own = getattr(buffers, "own", None) or Buffers()
        return _difference(name, one[name], other[name], buffers.own, progress)

    return on_cores(compare, [name for name in one if name in other])


def _difference(
    name: str, one: StoredArray, other: StoredArray, buffers: Buffers, progress: Progress
) -> Difference | None:
    values = compare_values(one, other, buffers, progress) if one.shape == other.shape else None
    dtypes = dtype_name(one.dtype), dtype_name(other.dtype)
    if values and not values.differing and dtypes[0] == dtypes[1]:
        return None
    may_be_transposed = one.ndim == 2 and one.shape == other.shape[::-1] and dtypes[0] == dtypes[1]
    transposed = may_be_transposed and not compare_values(one, other.T, buffers).differing
    return Difference(name, (one.shape, other.shape), dtypes, values, transposed)


def _renamed(one: Tensors, other: Tensors) -> Iterator[Renamed]:
    """The tensors of the first that the second has under another name; each of the second's is taken once."""
    shapes = {tensor.shape for tensor in other.values()}
    turned = {shape[::-1] for shape in shapes if len(shape) == 2}
    likely = {name: tensor for name, tensor in one.items() if tensor.shape in shapes | turned}
    if not likely:
        return
    known: defaultdict[str, list[str]] = defaultdict(list)
    for name, digest in zip(other, on_cores(_digest, other.values()), strict=True):
        known[digest].append(name)
    for name, digest in zip(likely, on_cores(_digest, likely.values()), strict=True):
        transposed = digest not in known and likely[name].ndim == 2
        digest = _digest(likely[name].T) if transposed else digest
        if known.get(digest):
            yield Renamed(name, known[digest].pop(0), transposed)


def _digest(tensor: StoredArray) -> str:
    return measure(tensor, Buffer(), thorough=True).digest
