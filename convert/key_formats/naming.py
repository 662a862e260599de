"""From the keys that a checkpoint uses to the official names, and back. What format they are in is never guessed."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, cast

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import Tensor, TensorType
from convert.errors import CheckpointError, FerryError, counted, listed, shown
from convert.key_formats.families import format_to_write
from convert.key_formats.markers import STRIP_PREFIX, Reading, read_keys
from convert.key_formats.rules import KeyFormat, Reshape
from convert.targets import fellows

__all__ = ["Named", "eps_to_tell", "name_officially", "names_for"]


@dataclass(frozen=True)
class Named(Generic[TensorType]):
    """A checkpoint's tensors under official names.

    Attributes:
        key_format: the library whose names the checkpoint uses.
        prefix: what stood before every key and was taken off.
        tensors: official names to arrays of official shape, views of the checkpoint's. A key that the format has no
            place for keeps its own name, so that the comparison with the table names it as unexpected.
        keys: official name to the checkpoint's own key; a tensor that the format leaves out, of zeros, has none.
        reshaped: official name to the operation, for tensors of another shape.
        left_out: keys of other parts of a larger model, and those without the prefix.
        aliases: keys that are second names of tensors, with the same values.
        dropped: name to the checkpoint's own key, of tensors that its framework alone has; they are not among
            `tensors`.
        numbers: keys of single numbers for which the format has no place: a best accuracy, an epoch.
    """

    key_format: KeyFormat
    prefix: str
    tensors: Mapping[str, TensorType]
    keys: Mapping[str, str]
    reshaped: Mapping[str, Reshape]
    left_out: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()

    def without(self, names: Container[str]) -> Named[TensorType]:
        """The same with the tensors of those official names dropped."""
        return replace(
            self,
            tensors={name: tensor for name, tensor in self.tensors.items() if name not in names},
            keys={name: key for name, key in self.keys.items() if name not in names},
            dropped={name: key for name, key in self.keys.items() if name in names},
        )

    @property
    def made(self) -> dict[str, TensorType]:
        """The tensors that are not in the checkpoint."""
        return {name: array for name, array in self.tensors.items() if name not in self.keys}

    def describe_numbers(self) -> str:
        """What is said of the single numbers; "" where there are none."""
        if not self.numbers:
            return ""
        names = listed([shown(key) for key in self.numbers])
        return (
            f"{counted(len(self.numbers), 'single number')} among the weights left out, for no network has one: {names}"
        )


def name_officially(
    tensors: Mapping[str, TensorType], *, strip_prefix: str = "", option: str = STRIP_PREFIX
) -> Named[TensorType]:
    """Recognises the key format and gives every tensor its official name and shape.

    Args:
        tensors: the state dict.
        strip_prefix: what the keys begin with that are to be read; "" for what all begin with.
        option: what the user calls `strip_prefix`.

    Raises:
        CheckpointError: no format has these keys, or several have, or an official name is among another format's;
            the text names them.
    """
    reading = read_keys(tensors, strip_prefix=strip_prefix, option=option)
    prefix, key_format = reading.prefix, reading.key_format
    own, left_out, aliases = _sort_out(tensors, reading)
    numbers = tuple(key for key in own if _is_stray(key.removeprefix(prefix), tensors[key], key_format))
    official: dict[str, TensorType] = {}
    keys: dict[str, str] = {}
    reshaped: dict[str, Reshape] = {}
    strays = set(numbers)
    for key in own:
        if key in strays:
            continue
        name, rule = key_format.to_official(key.removeprefix(prefix)) or (key, None)
        if rule is None and key_format.from_official(key):
            raise CheckpointError(
                f"{key!r} is an official name among {key_format.name} keys; keep one model's keys in the file"
            )
        if name in keys:
            raise CheckpointError(
                f"{keys[name]!r} and {key!r} are one tensor's names; keep one model's keys in the file"
            )
        array = tensors[key]
        official[name], keys[name] = rule.reshape.to_official(array) if rule else array, key
        if rule and official[name] is not array:
            reshaped[name] = rule.reshape
    official |= _implied_biases(key_format, official)
    return Named(key_format, prefix, official, keys, reshaped, left_out, aliases, numbers=numbers)


def _sort_out(
    tensors: Mapping[str, TensorType], reading: Reading
) -> tuple[list[str], tuple[str, ...], tuple[str, ...]]:
    """The keys of the network's own tensors, those of other parts of the file, and second names."""
    own, left_out, aliases = [], list(reading.left_out), []
    unread = set(left_out)
    for key in tensors:
        if key in unread:
            continue
        bare = key.removeprefix(reading.prefix)
        first = reading.key_format.first_name(bare)
        if reading.key_format.is_training(bare, tensors[key].shape) or bare.startswith(reading.key_format.left_out):
            left_out.append(key)
        elif first is not None and reading.prefix + first in tensors:
            _check_alias(tensors, key, reading.prefix + first)
            aliases.append(key)
        else:
            own.append(key)
    return own, tuple(left_out), tuple(aliases)


def _is_stray(key: str, tensor: Tensor, key_format: KeyFormat) -> bool:
    """Whether it is a single number that stands among the weights and is none: no network that is read has one."""
    return tensor.shape == () and not key_format.to_official(key) and not key_format.from_official(key)


def _check_alias(tensors: Mapping[str, TensorType], key: str, first: str) -> None:
    """Raises CheckpointError unless both keys have the same tensor, bit for bit."""
    one, other = tensors[first], tensors[key]
    if (one.shape, one.dtype) != (other.shape, other.dtype) or one.tobytes() != other.tobytes():
        raise CheckpointError(
            f"{first!r} and {key!r} are one tensor's names, and the two differ; keep one model's keys in the file"
        )


def _implied_biases(key_format: KeyFormat, official: Mapping[str, TensorType]) -> dict[str, TensorType]:
    """Biases of zeros, made here, of layers that have one in the table and none in that format."""
    weights = {f"{name}.bias": official.get(f"{name}.weight") for name in key_format.without_bias}
    return {
        bias: cast("TensorType", np.zeros(weight.shape[0], np.float32))
        for bias, weight in weights.items()
        # A matrix of no columns could have any number of rows.
        if bias not in official and weight is not None and len(weight.shape) == 2 and weight.size
    }


def names_for(spec: ArchSpec, name: str) -> dict[str, tuple[str, Reshape]]:
    """Official name to key and reshape in the format of that name, for every tensor of an architecture.

    Raises:
        FerryError: no format of that name, or the library cannot build the architecture; the text says what it lacks
            and which formats would do.
    """
    if spec.own_names:
        return {row.torch_name: (row.torch_name, Reshape.NONE) for row in spec.rows()}
    key_format = format_to_write(spec, name)
    if obstacle := key_format.obstacle(spec):
        fitting = " or ".join(target for target in fellows(name) if not format_to_write(spec, target).obstacle(spec))
        raise FerryError(f"{name} has no {spec.name}: it has no {obstacle}; choose --to {fitting}")
    rows = {row.torch_name: key_format.from_official(key_format.official_name(row)) for row in spec.rows()}
    return {official: (row[0], row[1].reshape) for official, row in rows.items() if row}


def eps_to_tell(spec: ArchSpec, name: str) -> float | None:
    """The eps of the norms that a library builds, where it has to be told the architecture's own; None elsewhere."""
    usual = None if spec.own_names else format_to_write(spec, name).usual_eps
    return usual if usual != spec.eps else None
