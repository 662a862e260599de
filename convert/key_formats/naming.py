"""From the keys that a checkpoint uses to the official names, and back. What format they are in is never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from convert.archs.spec import ArchSpec
from convert.arrays import TensorType
from convert.errors import CheckpointError, FerryError
from convert.key_formats.convnext import ISOTROPIC, KEY_FORMATS, OFFICIAL, TRANSFORMERS, TRANSFORMERS_V2
from convert.key_formats.limits import lacking
from convert.key_formats.rules import KeyFormat, Reshape, Rule

__all__ = ["Named", "name_officially", "names_for"]

# Of torch.nn.parallel.DistributedDataParallel; of Lightning and of timm's ModelEma; of detectors and segmenters.
PREFIXES = ("module.", "model.", "backbone.")
LONGEST_CHAIN = 8  # of them, one after the other; each is tried
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
        left_out: keys of other parts of a larger model.
    """

    key_format: KeyFormat
    prefix: str
    tensors: Mapping[str, TensorType]
    keys: Mapping[str, str]
    reshaped: Mapping[str, Reshape]
    left_out: tuple[str, ...] = ()


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
    for key, array in tensors.items():
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
    if obstacle := _obstacle(spec, name):
        fitting = " or ".join(target for target in TARGETS if not _obstacle(spec, target))
        raise FerryError(f"{name} has no {spec.name}: it has no {obstacle}; choose --to {fitting}")
    stored_flat = name == "timm" and not getattr(spec, "conv_mlp", False)
    skipped = Reshape.CONV1X1 if stored_flat or name == "mmpretrain" else None
    return {
        official: (key, Reshape.NONE if rule.reshape is skipped else rule.reshape)
        for official, (key, rule) in _rows(spec, name).items()
    }


def _obstacle(spec: ArchSpec, name: str) -> str:
    rows = _rows(spec, name)
    absent = next((p.torch_name for p in spec.params() if p.torch_name not in rows), "")
    return f"place for {absent}" if absent else lacking(spec, name)


def _rows(spec: ArchSpec, name: str) -> dict[str, tuple[str, Rule]]:
    key_format = _format_for(spec, name)
    rows = {p.torch_name: key_format.from_official(p.torch_name) for p in spec.params()}
    return {name: key_and_rule for name, key_and_rule in rows.items() if key_and_rule}


def _format_for(spec: ArchSpec, name: str) -> KeyFormat:
    names = {p.torch_name for p in spec.params()}
    if name == "official":
        return next(key_format for key_format in (OFFICIAL, ISOTROPIC) if any(map(key_format.recognises, names)))
    if name == "transformers":
        return TRANSFORMERS_V2 if any(".grn." in key for key in names) else TRANSFORMERS
    return next(key_format for key_format in KEY_FORMATS if key_format.name == name)


def _recognise(keys: Sequence[str]) -> tuple[str, KeyFormat]:
    readings = {(prefix, key_format) for prefix in _prefixes(keys) for key_format in _marked(keys, prefix)}
    # mmpretrain's own keys begin with `backbone.`; taken off, the rest is another format's only if it has its marker.
    if len(readings) == 1:
        return readings.pop()
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
    return (key_format for key_format in KEY_FORMATS if any(map(key_format.recognises, bare)))


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
