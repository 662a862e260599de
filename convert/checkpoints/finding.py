"""Where in a file the state dict stands: found by its tensors, never by the name of the key that it stands under.

A file of training code holds the model's weights somewhere, the averaged ones elsewhere, an optimizer's state with as
many tensors beside them, and single tensors anywhere. A state dict is a mapping with the marker of a ConvNeXt among its
tensors; where no mapping has one, whatever looks most like a state dict is taken, for messages that name it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from convert.checkpoints.contents import Contents
from convert.checkpoints.pickle_globals import Inert, refusal_of, refusing
from convert.checkpoints.programs import whole_module
from convert.errors import CheckpointError, RefusedCheckpoint, WrongChoice, asked, either, listed, quoted, shown
from convert.key_formats.markers import has_marker

MAX_TENSORS = 20_000  # of a state dict; a ConvNeXt has 400, and one tensor can be named again in five bytes
MAX_DEPTH = 5  # containers on the way to a state dict; PyTorch Lightning has one, a trainer that keeps trainers three
LONGEST_STEP = 200  # characters of a key on the way; a path is printed, and typed
FEW = 2  # tensors that make no model: a best accuracy, a random state, the centre of a loss

MODULES = "torch.nn.modules."  # where the parts of a whole module come from
# What Paddle's optimizers keep of a parameter, by its name: `linear_0.w_0_moment1_0`.
PADDLE_MOMENT = re.compile(
    r".{1,200}_(moment[12]?|velocity|beta[12]_pow_acc|inf_norm|mean_square|mean_grad|momentum)_[0-9]{1,3}"
)
FIRST = 20  # keys of a mapping among which one of these stands

ROOT = "."  # what `--weights` calls the file's own object
WEIGHTS = "--weights"

Step = str | int
IsNetwork = Callable[[Iterable[str]], bool]  # whether the names of a mapping's tensors are a network's


@dataclass(frozen=True, eq=False)
class Place:
    """A mapping that has tensors among its values.

    Attributes:
        steps: the keys, and numbers in lists, that lead to it from the file's own object.
        mapping: it.
        tensors: names of those of its values that are tensors.
    """

    steps: tuple[Step, ...]
    mapping: Mapping[Any, Any]
    tensors: tuple[Hashable, ...]

    @property
    def name(self) -> str:
        """What a message and `--weights` call it; "" for the file's own object."""
        return ".".join(map(str, self.steps))

    def is_of(self, network: IsNetwork) -> bool:
        """Whether it is the state dict of such a network."""
        return network(name for name in self.tensors if isinstance(name, str))

    @property
    def is_convnext(self) -> bool:
        """Whether it is the state dict of a ConvNeXt."""
        return len(self.tensors) > FEW and self.is_of(has_marker)


class Itself:
    """A container by what it is, not by what it holds."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def __hash__(self) -> int:
        return object.__hash__(self.container)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and self.container is other.container


def descend(content: Any, steps: Iterable[Step]) -> Any:
    """What those keys lead to: of what our reader makes of a file as of what a framework's own makes of it."""
    for step in steps:
        content = content[step]
    return content


def take(contents: Contents, steps: Sequence[Step]) -> tuple[Place, dict[str, Any]]:
    """The state dict at those steps, where it was found before; the results and errors are those of `choose`."""
    places, _ = _places(contents)
    candidates = _candidates(places)
    chosen = next(place for place in (*candidates, *places) if place.steps == tuple(steps))
    return chosen, _checked(chosen, contents, candidates)


def choose(
    contents: Contents, path: Path, weights: str = "", *, option: str = WEIGHTS, network: IsNetwork | None = None
) -> tuple[Place, dict[str, Any]]:
    """The state dict that is meant, and its tensors as the container describes them.

    Args:
        contents: of the file.
        path: the file, for messages.
        weights: the path of a mapping; "" for the only state dict there is.
        option: what the user calls `weights`.
        network: whose state dict it is; a ConvNeXt's unless given.

    Raises:
        WrongChoice: there are several, or none at that path; the text names those that there are.
        CheckpointError: there is none; or one that holds more than tensors.
        RefusedCheckpoint: something that no state dict needs stands in its place, or among its tensors.
    """
    _check_root(contents, path)
    places, optimizers = _places(contents)
    candidates = _candidates(places, network)
    if weights:
        chosen = _named(contents.root, places, candidates, weights, option)
        return chosen, _checked(chosen, contents, candidates)
    if all(len(place.tensors) <= FEW and not place.steps for place in candidates):
        _refuse_others(contents, path, optimizers)
    if not candidates:
        raise _nothing(contents)
    if len(candidates) > 1:
        raise _several(candidates, option)
    return candidates[0], _checked(candidates[0], contents, candidates)


def _check_root(contents: Contents, path: Path) -> None:
    root = contents.root
    if isinstance(root, Inert) and root.name:
        raise RefusedCheckpoint(whole_module(root.name, path))
    _refuse_first([root])
    if contents.is_tensor(root):
        raise CheckpointError("holds one tensor, not a state dict; save model.state_dict()")
    if not isinstance(root, dict | list | tuple):
        raise CheckpointError(f"holds a {type(root).__name__}, not a state dict; save model.state_dict()")


def _places(contents: Contents) -> tuple[list[Place], list[tuple[Step, ...]]]:
    """Every mapping with tensors, those of few steps first, each once; and where the state of an optimizer stands."""
    places: list[Place] = []
    optimizers: list[tuple[Step, ...]] = []
    seen: set[Itself] = set()
    level: list[tuple[tuple[Step, ...], Any]] = [((), contents.root)]
    for _ in range(MAX_DEPTH + 1):
        below: list[tuple[tuple[Step, ...], Any]] = []
        for steps, container in level:
            if Itself(container) in seen:
                continue
            seen.add(Itself(container))
            if isinstance(container, dict) and is_optimizer(container):
                optimizers.append(steps)
                continue
            if isinstance(container, dict):
                tensors = tuple(name for name, value in container.items() if contents.is_tensor(value))
                places += [Place(steps, container, tensors)] if tensors else []
            below += [((*steps, key), value) for key, value in _containers(container)]
        level = below
    return places, optimizers


def _containers(container: Any) -> Iterator[tuple[Step, Any]]:
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        if isinstance(value, dict | list | tuple) and _is_step(key):
            yield key, value


def _is_step(key: Any) -> bool:
    """Whether a key can stand in a path."""
    return len(key) <= LONGEST_STEP if isinstance(key, str) else isinstance(key, int) and not isinstance(key, bool)


def is_optimizer(mapping: Mapping[Any, Any]) -> bool:
    """Whether it is what an optimizer's `state_dict` gives, of PyTorch or of Paddle."""
    first = (key for key in islice(mapping, FIRST) if isinstance(key, str))
    return ("param_groups" in mapping and "state" in mapping) or any(map(PADDLE_MOMENT.fullmatch, first))


def _candidates(places: list[Place], network: IsNetwork | None = None) -> list[Place]:
    """Those that may be meant: the network's; else what has more than a tensor or two; else whatever has one."""
    if models := [place for place in places if (place.is_of(network) if network else place.is_convnext)]:
        return models
    several = [place for place in places if len(place.tensors) > FEW] or places
    below = [place for place in several if place.steps]
    return below or several  # tensors beside a state dict are a best accuracy, a random state


def _named(root: Any, places: list[Place], candidates: list[Place], weights: str, option: str) -> Place:
    """The mapping that a path leads to, or the only candidate below it."""
    paths = [()] if weights == ROOT else list(_paths(root, weights))
    at = {Itself(descend(root, steps)): steps for steps in paths}
    found = [place for place in places if Itself(place.mapping) in at]
    if not found:
        found = [place for place in candidates if any(place.steps[: len(steps)] == steps for steps in at.values())]
    if len(found) > 1:
        raise _several(found, option)
    if not found:
        kind = WrongChoice if candidates else CheckpointError
        raise kind(f"has no weights under {shown(repr(weights), 60)}; it holds {_names(candidates)}")
    return found[0]


def _paths(container: Any, text: str, depth: int = MAX_DEPTH) -> Iterator[tuple[Step, ...]]:
    """The steps that a path may mean, with `.` or `/` between them, for a key may have either in itself."""
    for key, value in _containers(container):
        name = str(key)
        if text == name:
            yield (key,)
        elif depth and text.startswith((f"{name}.", f"{name}/")):
            for rest in _paths(value, text[len(name) + 1 :], depth - 1):
                yield (key, *rest)


def _several(places: list[Place], option: str) -> WrongChoice:
    choices = [asked(option, place.name or ROOT) for place in places[:6]]
    return WrongChoice(f"holds several state dicts: {_names(places)}; choose one with {either(choices)}")


def _names(places: list[Place]) -> str:
    return quoted([place.name for place in places])


def _refuse_others(contents: Contents, path: Path, optimizers: list[tuple[Step, ...]]) -> None:
    """Raises CheckpointError where a module, or an optimizer's state, is all that a file has but single tensors."""
    root = contents.root
    if isinstance(root, dict) and any(kind.startswith(MODULES) for kind in contents.beside):
        objects = {key: value.name for key, value in root.items() if isinstance(value, Inert) and isinstance(key, str)}
        if modules := [key for key, name in objects.items() if name and not name.startswith("torch.optim.")]:
            raise RefusedCheckpoint(whole_module(objects[modules[0]], path, modules[0]))
    if optimizers:
        there = "" if () in optimizers else f" under {quoted(['.'.join(map(str, steps)) for steps in optimizers])}"
        raise CheckpointError(f"holds an optimizer's state{there}, and no weights; give the file with the model's")


def _nothing(contents: Contents) -> CheckpointError:
    """What to raise where a file has no tensor that could be weights."""
    root = contents.root
    if not isinstance(root, dict):
        return CheckpointError(f"holds a {type(root).__name__}, not a state dict; save model.state_dict()")
    _refuse_first(root.values())
    _refuse_first(value for place in root.values() if isinstance(place, dict) for value in place.values())
    return CheckpointError(f"holds no tensors; keys: {quoted(root)}; save model.state_dict()")


def _checked(place: Place, contents: Contents, candidates: list[Place]) -> dict[str, Any]:
    """The tensors of a place, which has no other entries but containers on the way to other candidates."""
    if len(place.mapping) > MAX_TENSORS:
        raise RefusedCheckpoint(f"{len(place.mapping):,} tensors, where {MAX_TENSORS:,} are the limit")
    depth = len(place.steps)
    below = [other for other in candidates if other is not place and other.steps[:depth] == place.steps]
    passed = {other.steps[depth] for other in below}
    state_dict = {name: value for name, value in place.mapping.items() if name not in passed}
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
        raise refusing(refusal)
