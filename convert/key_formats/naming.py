"""From the keys that a checkpoint uses to the official names, and back. What format they are in is never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from convert.archs.spec import ArchSpec
from convert.arrays import TensorType
from convert.errors import CheckpointError, FerryError
from convert.key_formats.families import format_to_write
from convert.key_formats.markers import STRIP_PREFIX, read_keys
from convert.key_formats.rules import KeyFormat, Reshape

__all__ = ["Named", "eps_to_tell", "name_officially", "names_for"]

TARGETS = ("official", "timm", "torchvision", "transformers", "mmpretrain")  # that --to takes


@dataclass(frozen=True)
class Named(Generic[TensorType]):
    """A checkpoint's tensors under official names.

    Attributes:
        key_format: the library whose names the checkpoint uses.
        prefix: what stood before every key and was taken off.
        tensors: official names to arrays of official shape, views of the checkpoint's. A key that the format has no
            place for keeps its own name, so that the comparison with the table names it as unexpected.
        keys: official name to the checkpoint's own key.
        reshaped: official name to the operation, for tensors of another shape.
        left_out: keys of other parts of a larger model, and those without the prefix.
    """

    key_format: KeyFormat
    prefix: str
    tensors: Mapping[str, TensorType]
    keys: Mapping[str, str]
    reshaped: Mapping[str, Reshape]
    left_out: tuple[str, ...] = ()


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
    official: dict[str, TensorType] = {}
    keys: dict[str, str] = {}
    reshaped: dict[str, Reshape] = {}
    left_out = list(reading.left_out)
    for key, array in tensors.items():
        if not key.startswith(prefix):
            continue
        bare = key.removeprefix(prefix)
        if bare.startswith(key_format.left_out):
            left_out.append(key)
            continue
        name, rule = key_format.to_official(bare) or (key, None)
        if rule is None and key_format.from_official(key):
            raise CheckpointError(
                f"{key!r} is an official name among {key_format.name} keys; keep one model's keys in the file"
            )
        shape = rule.reshape.official(array.shape) if rule else None
        if rule and shape is not None and shape != array.shape:
            reshaped[name] = rule.reshape
            array = array.reshape(shape)
        official[name], keys[name] = array, key
    return Named(key_format, prefix, official, keys, reshaped, tuple(left_out))


def names_for(spec: ArchSpec, name: str) -> dict[str, tuple[str, Reshape]]:
    """Official name to key and reshape in the format of that name, for every tensor of an architecture.

    Raises:
        FerryError: no format of that name, or the library cannot build the architecture; the text says what it lacks
            and which formats would do.
    """
    key_format = format_to_write(spec, name)
    if obstacle := key_format.obstacle(spec):
        fitting = " or ".join(target for target in TARGETS if not format_to_write(spec, target).obstacle(spec))
        raise FerryError(f"{name} has no {spec.name}: it has no {obstacle}; choose --to {fitting}")
    rows = {param.torch_name: key_format.from_official(param.torch_name) for param in spec.params()}
    return {official: (row[0], row[1].reshape) for official, row in rows.items() if row}


def eps_to_tell(spec: ArchSpec, name: str) -> float | None:
    """The eps of the norms that a library builds, where it has to be told the architecture's own; None elsewhere."""
    usual = format_to_write(spec, name).usual_eps
    return usual if usual != spec.eps else None
