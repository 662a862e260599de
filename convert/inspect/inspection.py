"""One file, looked at: what it is, what its tensors are like, and what is off with them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from convert.arrays import dtype_name
from convert.buffers import Buffer
from convert.cores import on_cores
from convert.inspect.measure import Measure, Progress, ignore_progress, measure
from convert.inspect.opened import Opened, OpenPlace, open_everything, view_key
from convert.inspect.places import Beside, join_path
from convert.inspect.published import Published, find_published
from convert.inspect.recognised import Recognised, recognise
from convert.inspect.signs import Measured, Sign, find_signs
from convert.params import Shape
from convert.paths import AnyPath
from convert.stored import StoredArray

# Bytes of the largest file whose SHA-256 is taken unasked: 0.34 s. It cannot be shared out among cores: of 1.4 GB it
# alone takes 2.6 times as long as `cp`, and all else that is looked at as long as `cp`.
DIGESTED = 500_000_000


@dataclass(frozen=True)
class TensorFacts:
    """A tensor.

    Attributes:
        name: in its place.
        shape: as the file has it.
        dtype: its name; bfloat16 where the container keeps its bits as another one.
        nbytes: of its values.
        measure: what they are like.
    """

    name: str
    shape: Shape
    dtype: str
    nbytes: int
    measure: Measure


@dataclass(frozen=True)
class PlaceFacts:
    """What has tensors in it: a state dict, or an optimizer's state.

    Attributes:
        path: the keys that lead to it, with dots between them; empty for the file's own object.
        is_state_dict: whether it may be a model's.
        is_optimizer: whether it is an optimizer's state, or a part of one.
        parameters: how many values its tensors have.
        nbytes: of its tensors' values.
        dtypes: names to how many tensors have them.
        tensors: in the file's order.
        recognised: what `convert` would make of it.
    """

    path: str
    is_state_dict: bool
    is_optimizer: bool
    parameters: int
    nbytes: int
    dtypes: Mapping[str, int]
    tensors: tuple[TensorFacts, ...]
    recognised: Recognised


@dataclass(frozen=True)
class FileFacts:
    """A file.

    Attributes:
        path: as it was given, or beside the index that names it.
        size: in bytes.
        sha256: of its bytes, hexadecimal; "" where it was not taken.
    """

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Inspection:
    """What is in a checkpoint file.

    Attributes:
        file: the file.
        shards: the files that hold the tensors, where it is the index of a sharded one.
        container: the name of its row in `CONTAINERS`.
        places: what has tensors in it, in the file's order.
        beside: what stands beside the tensors.
        kinds: the names of classes whose objects stand beside them and were not looked at.
        signs: that something is off.
        published: the published file whose name begins its SHA-256 as this file's does.
        thorough: whether means and digests were taken.
    """

    file: FileFacts
    shards: tuple[FileFacts, ...]
    container: str
    places: tuple[PlaceFacts, ...]
    beside: tuple[Beside, ...]
    kinds: tuple[str, ...]
    signs: tuple[Sign, ...]
    published: Published | None
    thorough: bool


def inspect_file(
    path: AnyPath, *, thorough: bool = False, digest: bool = False, progress: Progress = ignore_progress
) -> Inspection:
    """Looks at a checkpoint file of any family, each byte of a tensor read and checked once. Nothing in it is run.

    Args:
        path: the file, or the index of a sharded one.
        thorough: whether to take each tensor's mean and digest, and the digest of the file whatever its size.
        digest: whether to take the digest of the file whatever its size.
        progress: told of bytes that were read.

    Raises:
        CheckpointError: as `open_everything` and `measure` have it.
    """
    opened = open_everything(path)
    asked = thorough or digest or opened.size <= DIGESTED
    digests, measures = _read(opened, digest=asked, thorough=thorough, progress=progress)
    places = tuple(_facts_of(place, opened, measures) for place in opened.places)
    signs = _signs(opened, places, measures)
    opened.check_unchanged()
    file, *shards = (
        FileFacts(file.path, file.size, sha256) for file, sha256 in zip(opened.files, digests, strict=True)
    )
    published = find_published(file.sha256) if file.sha256 else None
    return Inspection(
        file, tuple(shards), opened.container.name, places, opened.beside, opened.kinds, signs, published, thorough
    )


def _read(
    opened: Opened, *, digest: bool, thorough: bool, progress: Progress
) -> tuple[list[str], dict[object, Measure]]:
    """The files' digests, and what was measured of each view of them; the former on one core beside the latter."""
    tensors = (tensor for place in opened.places for tensor in place.tensors.values())
    views = {view_key(tensor): tensor for tensor in tensors}
    buffers = threading.local()
    measures: dict[object, Measure] = {}

    def look(key: object, tensor: StoredArray) -> str:
        buffers.own = getattr(buffers, "own", None) or Buffer()
        measures[key] = measure(tensor, buffers.own, thorough=thorough, progress=progress)
        return ""

    hashing: list[Callable[[], str]] = [file.sha256 if digest else str for file in opened.files]
    looking: list[Callable[[], str]] = [partial(look, key, view) for key, view in views.items()]
    results = on_cores(lambda job: job(), [*hashing, *looking])
    return results[: len(hashing)], measures


def _facts_of(place: OpenPlace, opened: Opened, measures: Mapping[object, Measure]) -> PlaceFacts:
    tensors = tuple(
        TensorFacts(name, tensor.shape, dtype_name(tensor.dtype), tensor.nbytes, measures[view_key(tensor)])
        for name, tensor in place.tensors.items()
    )
    return PlaceFacts(
        place.path,
        place.is_state_dict,
        place.is_optimizer,
        parameters=sum(tensor.size for tensor in place.tensors.values()),
        nbytes=sum(tensor.nbytes for tensor in tensors),
        dtypes=Counter(tensor.dtype for tensor in tensors),
        tensors=tensors,
        recognised=recognise(place.tensors, opened.container.frameworks) if place.is_state_dict else Recognised(),
    )


def _signs(opened: Opened, places: tuple[PlaceFacts, ...], measures: Mapping[object, Measure]) -> tuple[Sign, ...]:
    by_path = {join_path(place.path, name): tensor for place in opened.places for name, tensor in place.tensors.items()}

    def measured(*, weights: bool) -> Iterator[Measured]:
        for place in opened.places:
            for name, tensor in place.tensors.items() if place.is_state_dict is weights else ():
                key = view_key(tensor)
                yield Measured(join_path(place.path, name), tensor.shape, dtype_name(tensor.dtype), measures[key], key)

    def digest_of(path: str) -> str:
        tensor = by_path[path]
        return measures[view_key(tensor)].digest or measure(tensor, Buffer(), thorough=True).digest

    heads = []
    for place in places:
        if place.recognised.head:
            weight, bias = (join_path(place.path, name) for name in place.recognised.head)
            heads.append((weight, bias))
    return find_signs(measured(weights=True), measured(weights=False), heads, digest_of)
