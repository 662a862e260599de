"""From the keys that a checkpoint uses to the official names, and back. What format they are in is never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, cast

import numpy as np

from convert.archs.spec import ArchSpec
from convert.arrays import TensorType
from convert.errors import CheckpointError, FerryError
from convert.key_formats.families import KEY_FORMATS, format_to_write
from convert.key_formats.rules import KeyFormat, Reshape
from convert.targets import fellows

__all__ = ["Named", "eps_to_tell", "name_officially", "names_for"]

# Of torch.nn.parallel.DistributedDataParallel; of Lightning and of timm's ModelEma; of detectors and segmenters.
PREFIXES = ("module.", "model.", "backbone.")
LONGEST_CHAIN = 8  # of them, one after the other; each is tried


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
        left_out: keys of other parts of a larger model.
        aliases: keys that are second names of tensors, with the same values.
    """

    key_format: KeyFormat
    prefix: str
    tensors: Mapping[str, TensorType]
    keys: Mapping[str, str]
    reshaped: Mapping[str, Reshape]
    left_out: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def made(self) -> dict[str, TensorType]:
        """The tensors that are not in the checkpoint."""
        return {name: array for name, array in self.tensors.items() if name not in self.keys}


def name_officially(tensors: Mapping[str, TensorType]) -> Named[TensorType]:
    """Recognises the key format and gives every tensor its official name and shape.

    Raises:
        CheckpointError: no format has these keys, or several have, or an official name is among another format's;
            the text names them.
    """
    prefix, key_format = _recognise(list(tensors))
    official: dict[str, TensorType] = {}
    keys: dict[str, str] = {}
    reshaped: dict[str, Reshape] = {}
    left_out: list[str] = []
    aliases: list[str] = []
    for key, array in tensors.items():
        bare = key.removeprefix(prefix)
        if bare.startswith(key_format.left_out):
            left_out.append(key)
            continue
        first = key_format.first_name(bare)
        if first is not None and prefix + first in tensors:
            _check_alias(tensors, key, prefix + first)
            aliases.append(key)
            continue
        name, rule = key_format.to_official(bare) or (key, None)
        if rule is None and key_format.from_official(key):
            raise CheckpointError(
                f"{key!r} is an official name among {key_format.name} keys; keep one model's keys in the file"
            )
        if name in keys:
            raise CheckpointError(
                f"{keys[name]!r} and {key!r} are one tensor's names; keep one model's keys in the file"
            )
        official[name], keys[name] = rule.reshape.to_official(array) if rule else array, key
        if rule and official[name] is not array:
            reshaped[name] = rule.reshape
    official |= _implied_biases(key_format, official)
    return Named(key_format, prefix, official, keys, reshaped, tuple(left_out), tuple(aliases))


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
    key_format = format_to_write(spec, name)
    if obstacle := key_format.obstacle(spec):
        fitting = " or ".join(target for target in fellows(name) if not format_to_write(spec, target).obstacle(spec))
        raise FerryError(f"{name} has no {spec.name}: it has no {obstacle}; choose --to {fitting}")
    rows = {param.torch_name: key_format.from_official(param.torch_name) for param in spec.params()}
    return {official: (row[0], row[1].reshape) for official, row in rows.items() if row}


def eps_to_tell(spec: ArchSpec, name: str) -> float | None:
    """The eps of the norms that a library builds, where it has to be told the architecture's own; None elsewhere."""
    usual = format_to_write(spec, name).usual_eps
    return usual if usual != spec.eps else None


def _recognise(keys: Sequence[str]) -> tuple[str, KeyFormat]:
    readings = {(prefix, key_format) for prefix in _prefixes(keys) for key_format in _marked(keys, prefix)}
    # mmpretrain's own keys begin with `backbone.`; taken off, the rest is another format's only if it has its marker.
    # A library's own prefix may be a known one too, as transformers' `model.` is: what it has itself is not taken off.
    libraries, prefixes = {key_format.name for _, key_format in readings}, {prefix for prefix, _ in readings}
    if len(libraries) == 1 and len(prefixes) == len(readings):
        return min(readings, key=lambda reading: len(reading[0]))
    names = ", ".join(sorted({key_format.name for _, key_format in readings}))
    if readings:
        raise CheckpointError(f"the keys fit several key formats: {names}; keep one model's keys in the file")
    shown = ", ".join(repr(key)[:60] for key in list(keys)[:3])
    known = ", ".join(dict.fromkeys(key_format.name for key_format in KEY_FORMATS))
    raise CheckpointError(
        f"the keys ({shown}, ...) are a ConvNeXt's in no key format known here: {known}; "
        "give a ConvNeXt's own state dict"
    )


def _marked(keys: Sequence[str], prefix: str) -> Iterator[KeyFormat]:
    bare = [key.removeprefix(prefix) for key in keys]
    return (key_format for key_format in KEY_FORMATS if key_format.recognises(bare))


def _prefixes(keys: Iterable[str]) -> list[str]:
    """The empty prefix, and every chain of known prefixes that stands before all keys."""
    keys = list(keys)
    chains = [""]
    for chain in chains:
        longer = [chain + prefix for prefix in PREFIXES]
        common = [prefix for prefix in longer if keys and all(key.startswith(prefix) for key in keys)]
        if len(chains) <= LONGEST_CHAIN:
            chains += common[:1]
    return chains
