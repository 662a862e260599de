"""The names of a network that no library's key format knows: its own table says them, for either framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from convert.archs.spec import ArchSpec
from convert.arrays import TensorType
from convert.frameworks import PADDLE, TORCH
from convert.key_formats.markers import Prefixes, Signs, read_keys
from convert.key_formats.naming import Named
from convert.key_formats.rules import KeyFormat

TABLE = KeyFormat("table", "", ())

Names = frozenset[str]


def name_by_table(
    tensors: Mapping[str, TensorType], spec: ArchSpec, *, strip_prefix: str, option: str
) -> Named[TensorType]:
    """A state dict's tensors under the table's names, PyTorch's or Paddle's.

    Args:
        tensors: the state dict.
        spec: the network.
        strip_prefix: what the keys begin with that are to be read; "" for what all begin with.
        option: what the user calls `strip_prefix`.

    Raises:
        CheckpointError: no key is the table's.
        WrongChoice: several models, or other tensors, stand there behind different prefixes.
    """
    nothing = (
        f"are none of {spec.name}'s, neither in PyTorch nor in Paddle, as its table has them; "
        "give that network's own state dict, or the table of this one"
    )
    signs = Signs(lambda keys: _prefixes(spec, keys), f"{spec.name}'s", nothing)
    reading = read_keys(tensors, strip_prefix=strip_prefix, option=option, signs=signs)
    keys = {key.removeprefix(reading.prefix): key for key in tensors if key.startswith(reading.prefix)}
    official = {name: tensors[key] for name, key in keys.items()}
    return Named(TABLE, reading.prefix, official, keys, {}, reading.left_out)


def is_state_dict_of(spec: ArchSpec) -> Callable[[Iterable[str]], bool]:
    """What tells that network's state dict from other mappings of tensors: it has most of the table's names."""
    return lambda keys: any(_found(spec, keys).values())


def _prefixes(spec: ArchSpec, keys: Iterable[str]) -> Prefixes:
    """What stands before the table's names: of every model that is there, or else before the most names."""
    keys = list(keys)
    behind = {framework: _behind(keys, names) for framework, names in _names(spec).items()}
    best = max(behind.values(), key=lambda found: max(map(len, found.values()), default=0))
    if not best:
        return
    first = max(best, key=lambda prefix: (len(best[prefix]), -len(prefix)))
    yield first, TABLE
    taken = set(best[first])
    for prefix, theirs in best.items():
        # A name may end with another one of the same table; a second model has keys of its own.
        if len(theirs) * 2 > len(best[first]) and not taken & set(theirs):
            yield prefix, TABLE


def _found(spec: ArchSpec, keys: Iterable[str]) -> dict[str, bool]:
    """Of each framework whether the keys have most of its names behind one prefix."""
    keys = list(keys)
    return {
        framework: any(len(found) * 2 > len(names) for found in _behind(keys, names).values())
        for framework, names in _names(spec).items()
    }


def _behind(keys: Iterable[str], names: Names) -> dict[str, list[str]]:
    """Prefixes of whole words to the keys that are one of the names behind it."""
    lengths = set(map(len, names))
    found: dict[str, list[str]] = {}
    for key in keys:
        start = 0
        while True:
            if len(key) - start in lengths and key[start:] in names:
                found.setdefault(key[:start], []).append(key)
            start = key.find(".", start) + 1
            if not start:
                break
    return found


@cache
def _names(spec: ArchSpec) -> dict[str, Names]:
    torch = frozenset(row.torch_name for row in spec.params())
    return {TORCH: torch, PADDLE: frozenset(param.paddle_name for param in spec.params())}
