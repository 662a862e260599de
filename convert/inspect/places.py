"""Where in a file's objects the tensors stand, and what stands beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from convert.checkpoints.contents import Contents
from convert.checkpoints.pickle_globals import Global, Inert, refusal_of
from convert.errors import counted, listed, shown
from convert.files import Stretch

MAX_DEPTH = 16  # of objects in one another; whatever lies deeper is told, and not looked at
OPTIMIZER = "optim"  # in a path: what stands there has a tensor for each of the model's, and none is one of them


@dataclass(frozen=True)
class Place:
    """A dict that has tensors in it, or a list of such.

    Attributes:
        path: the keys that lead to it, with dots between them; empty for the file's own object.
        tensors: names in it to what the container makes of a tensor.
        is_state_dict: whether it may be a model's: its keys are texts, it is no optimizer's, and no other one lies in
            it.
        refusals: why the file is refused if these are the weights.
    """

    path: str
    tensors: dict[str, Any] = field(default_factory=dict)
    is_state_dict: bool = False
    refusals: tuple[str, ...] = ()

    def path_of(self, name: str) -> str:
        """The path of a tensor in it."""
        return f"{self.path}.{name}" if self.path else name


@dataclass(frozen=True)
class Beside:
    """Something that is no tensor and has none in it: where it stands, and what it is."""

    path: str
    description: str


def find_places(contents: Contents) -> tuple[tuple[Place, ...], tuple[Beside, ...]]:
    """Every place that has tensors, and what stands beside them, in the file's order."""
    walk = _Walk(contents)
    walk.visit((), contents.root)
    places = [place for place in walk.places.values() if place.tensors]
    named = [place.path for place in places if place.is_state_dict]
    outer = {path for path in named if any(_is_within(other, path) for other in named)}
    settled = [dataclasses.replace(p, is_state_dict=p.is_state_dict and p.path not in outer) for p in places]
    return tuple(settled), tuple(walk.beside)


def _is_within(path: str, outer: str) -> bool:
    return path != outer and (not outer or path.startswith(f"{outer}."))


class _Walk:
    """Goes through a file's objects, each once however often it is named."""

    def __init__(self, contents: Contents) -> None:
        self.places: dict[str, Place] = {}
        self.beside: list[Beside] = []
        self._is_tensor = contents.is_tensor
        self._seen: dict[int, str] = {}

    def visit(self, path: tuple[str, ...], value: Any) -> bool:
        """Whether there are tensors in it; if not, one line says what it is."""
        if self._is_tensor(value):
            self._add(path, value)
            return True
        if not isinstance(value, dict | list | tuple):
            self.beside.append(Beside(_joined(path), describe(value)))
            return False
        if id(value) in self._seen:
            self.beside.append(Beside(_joined(path), f"the same object as {self._seen[id(value)] or 'the whole'}"))
            return False
        self._seen[id(value)] = _joined(path)
        if len(path) == MAX_DEPTH:
            self.beside.append(Beside(_joined(path), f"nested deeper than {MAX_DEPTH} objects, not looked at"))
            return False
        return self._visit_items(path, value)

    def _visit_items(self, path: tuple[str, ...], value: Any) -> bool:
        start = len(self.beside)
        found = [self.visit((*path, key), item) for key, item in _items(value)]
        if isinstance(value, dict):
            self._note_state_dict(path, value)
        if any(found):
            return True
        del self.beside[start:]
        self.beside.append(Beside(_joined(path), describe(value)))
        return False

    def _note_state_dict(self, path: tuple[str, ...], value: dict[Any, Any]) -> None:
        """Where the dict has tensors of its own and may be a model's, marks its place as such."""
        texts = not any(key.startswith("[") for key in path) and not any(OPTIMIZER in key.lower() for key in path)
        if texts and any(isinstance(key, str) and self._is_tensor(item) for key, item in value.items()):
            refusals = tuple(filter(None, map(refusal_of, value.values())))
            place = self._place(_joined(path))
            self.places[place.path] = dataclasses.replace(place, is_state_dict=True, refusals=refusals)

    def _add(self, path: tuple[str, ...], tensor: Any) -> None:
        """Puts a tensor under the place before its first number, or before its name."""
        first = next((n for n, key in enumerate(path) if key.startswith("[")), len(path) - 1)
        place = self._place(_joined(path[: max(first, 0)]))
        name = _joined(path[max(first, 0) :])
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


def _joined(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".[", "[")


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
