"""Where in a file's objects the tensors stand, and what stands beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from convert.checkpoints.contents import Contents
from convert.checkpoints.finding import is_optimizer
from convert.checkpoints.pickle_globals import Global, Inert, refusal_of
from convert.errors import counted, listed, shown
from convert.files import Stretch

MAX_DEPTH = 16  # of objects in one another; what lies deeper is not looked at
MAX_BESIDE = 1_000  # objects beside the tensors that are listed
OPTIMIZER = "optim"  # in a path: what stands there has a tensor for each of the model's, and none is one of them


@dataclass(frozen=True)
class Place:
    """A dict that has tensors in it, or a list of such.

    Attributes:
        path: the keys that lead to it, with dots between them; empty for the file's own object.
        tensors: names in it to what the container makes of a tensor.
        is_state_dict: whether it may be a model's: its keys are texts, it is no optimizer's, and no other one lies in
            it.
        is_optimizer: whether it is the state of an optimizer, of PyTorch or of Paddle, or a part of one.
        is_large: whether it has half as many tensors as the file's largest state dict, or more, and is one itself.
        refusals: why the file is refused if these are the weights.
    """

    path: str
    tensors: dict[str, Any] = field(default_factory=dict)
    is_state_dict: bool = False
    is_optimizer: bool = False
    is_large: bool = False
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beside:
    """Something that is no tensor and has none in it: where it stands, and what it is."""

    path: str
    description: str


def find_places(contents: Contents) -> tuple[tuple[Place, ...], tuple[Beside, ...]]:
    """Every place that has tensors, and what stands beside them, in the file's order."""
    walk = _Walk(contents)
    walk.visit((), contents.root)
    places = [walk.told(place) for place in walk.places.values() if place.tensors]
    named = [place.path for place in places if place.is_state_dict]
    outer = {path for path in named if any(_is_within(other, path) for other in named)}
    most = max((len(place.tensors) for place in places if place.path in {*named} - outer), default=0)
    settled = [_settled(place, is_outer=place.path in outer, most=most) for place in places]
    metadata = [Beside(f"__metadata__.{name}", describe(text)) for name, text in contents.metadata.items()]
    left_out = [Beside(name, kind) for name, kind in contents.left_out.items()][:MAX_BESIDE]
    return tuple(settled), (*metadata, *left_out, *walk.beside)


def _settled(place: Place, *, is_outer: bool, most: int) -> Place:
    is_state_dict = place.is_state_dict and not is_outer
    return dataclasses.replace(
        place, is_state_dict=is_state_dict, is_large=is_state_dict and 2 * len(place.tensors) >= most
    )


def _is_within(path: str, outer: str) -> bool:
    return path != outer and (not outer or path.startswith(f"{outer}."))


class _Walk:
    """Goes through a file's objects, each once however often it is named."""

    def __init__(self, contents: Contents) -> None:
        self.places: dict[str, Place] = {}
        self.beside: list[Beside] = []
        self.optimizers: list[str] = []
        self._is_tensor = contents.is_tensor
        self._seen: dict[int, str] = {}
        self._holding: dict[int, bool] = {}

    def visit(self, path: tuple[str, ...], value: Any) -> None:
        """Notes the tensors in it and what stands beside them; one line says what has none in it."""
        if self._is_tensor(value):
            self._add(path, value)
        elif not self._holds_tensors(value, MAX_DEPTH - len(path)):
            self._note_beside(path, value)
        elif id(value) in self._seen:
            where = self._seen[id(value)] or "the file's own"
            self.beside.append(Beside(join_path(*path), f"the same object as {shown(where)}"))
        else:
            self._seen[id(value)] = join_path(*path)
            if isinstance(value, dict) and is_optimizer(value):
                self.optimizers.append(join_path(*path))
            for key, item in _items(value):
                self.visit((*path, key), item)
            if isinstance(value, dict):
                self._note_state_dict(path, value)

    def told(self, place: Place) -> Place:
        """The place, and whether it is an optimizer's."""
        if not any(place.path == path or _is_within(place.path, path) for path in self.optimizers):
            return place
        return dataclasses.replace(place, is_state_dict=False, is_optimizer=True)

    def _holds_tensors(self, value: Any, depth: int) -> bool:
        """Whether tensors lie in a container, at most so deep."""
        if not isinstance(value, dict | list | tuple) or depth <= 0:
            return False
        if id(value) not in self._holding:
            self._holding[id(value)] = False  # should it lie in itself
            members = list(value.values() if isinstance(value, dict) else value)
            self._holding[id(value)] = any(map(self._is_tensor, members)) or any(
                self._holds_tensors(member, depth - 1) for member in members
            )
        return self._holding[id(value)]

    def _note_beside(self, path: tuple[str, ...], value: Any) -> None:
        if len(self.beside) < MAX_BESIDE:
            self.beside.append(Beside(join_path(*path), describe(value)))
        elif len(self.beside) == MAX_BESIDE:
            self.beside.append(Beside("", f"more than {MAX_BESIDE:,} others, not listed"))

    def _note_state_dict(self, path: tuple[str, ...], value: dict[Any, Any]) -> None:
        """Where the dict has tensors of its own and may be a model's, marks its place as such."""
        texts = not any(key.startswith("[") for key in path) and not any(OPTIMIZER in key.lower() for key in path)
        if texts and any(isinstance(key, str) and self._is_tensor(item) for key, item in value.items()):
            refusals = tuple(filter(None, map(refusal_of, value.values())))
            place = self._place(join_path(*path))
            self.places[place.path] = dataclasses.replace(place, is_state_dict=True, refusals=refusals)

    def _add(self, path: tuple[str, ...], tensor: Any) -> None:
        """Puts a tensor under the place before its first number, or before its name."""
        first = next((n for n, key in enumerate(path) if key.startswith("[")), len(path) - 1)
        place = self._place(join_path(*path[: max(first, 0)]))
        name = join_path(*path[max(first, 0) :])
        while name in place.tensors:  # {"a.b": t} and {"a": {"b": t}}
            name = f"{name}'"
        place.tensors[name] = tensor

    def _place(self, path: str) -> Place:
        return self.places.setdefault(path, Place(path))


def _items(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """The members with what stands for each in a path: a key that is a text, or a number or another key in brackets."""
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in pairs:
        yield key if isinstance(key, str) else f"[{key}]", item


def join_path(*keys: str) -> str:
    """The path that the keys lead along: dots between texts, numbers in brackets; empty keys are none."""
    return ".".join(filter(None, keys)).replace(".[", "[")


def describe(value: Any) -> str:
    """What an object without tensors is, in a few words."""
    if isinstance(value, bool | int | float | str) or value is None:
        return shown(repr(value), 60)
    if isinstance(value, dict):
        return f"a dict of {len(value):,}: {listed([shown(key, 30) for key in value])}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value):,}"
    if isinstance(value, Stretch):
        return counted(value.nbytes, "byte")
    if isinstance(value, Inert | Global):
        return shown(value.full_name if isinstance(value, Global) else value.name or "an object, not looked at")
    return f"{shown(value.refusal, 120)}" if refusal_of(value) else "an object, not looked at"
