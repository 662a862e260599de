"""What tells a ConvNeXt's state dict from other mappings of tensors: the marker of a key format, behind a prefix.

The prefix is whatever stands before the format's own names, in whole words: of parallel training (`module.`), of
`torch.compile` (`_orig_mod.`), of the class that has the network as a part (`model.`, `backbone.`, `net.`), in any
order and as many as there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from convert.arrays import Tensor
from convert.errors import CheckpointError, WrongChoice, asked, counted, either, quoted, shown
from convert.key_formats.families import KEY_FORMATS
from convert.key_formats.rules import KeyFormat

STRIP_PREFIX = "--strip-prefix"
MOST = 6  # choices that a message offers


@dataclass(frozen=True)
class Reading:
    """How a state dict's keys are to be read.

    Attributes:
        prefix: what stands before every key that is read, and is no part of it.
        key_format: whose the rest of those keys is.
        left_out: the keys without the prefix.
    """

    prefix: str
    key_format: KeyFormat
    left_out: tuple[str, ...] = ()


def has_marker(keys: Iterable[str]) -> bool:
    """Whether one of the keys is a format's marker, whatever stands before it."""
    return next(_marked(keys), None) is not None


def read_keys(tensors: Mapping[str, Tensor], *, strip_prefix: str = "", option: str = STRIP_PREFIX) -> Reading:
    """The one reading of a state dict's keys.

    A prefix is taken off where every tensor has it. A single number (a count of averages, say) may stand without it,
    for no model has one; of other tensors the user has to say that they are to be left out.

    Args:
        tensors: the state dict.
        strip_prefix: what the keys begin with that are read; the others are left out. "" for what all begin with.
        option: what the user calls `strip_prefix`.

    Raises:
        CheckpointError: the keys are of no format, or of several.
        WrongChoice: several models, or other tensors, stand there behind different prefixes.
    """
    if strip_prefix:
        return _read_behind(strip_prefix, tensors, option)
    readings = dict.fromkeys(_marked(tensors))
    prefixes = list(dict.fromkeys(prefix for prefix, _ in readings))
    if not readings:
        raise CheckpointError(
            f"the keys ({_first(list(tensors))}, ...) are a network's in no key format known here: {_known()}; "
            "give the network's own state dict"
        )
    if len(prefixes) > 1:
        raise _several(prefixes, option)
    if len(readings) > 1:
        names = ", ".join(sorted(key_format.name for _, key_format in readings))
        raise CheckpointError(f"the keys fit several key formats: {names}; keep one model's keys in the file")
    ((prefix, key_format),) = readings
    others = [key for key in tensors if not key.startswith(prefix)]
    if strangers := [key for key in others if tensors[key].shape]:
        raise WrongChoice(
            f"{shown(repr(prefix))} stands before a ConvNeXt's keys, but not before "
            f"{counted(len(strangers), 'other tensor')}: {quoted(strangers)}; "
            f"{asked(option, prefix)} takes what it stands before, and leaves the rest out"
        )
    return Reading(prefix, key_format, tuple(others))


def _read_behind(strip_prefix: str, tensors: Mapping[str, Tensor], option: str) -> Reading:
    """The reading of the keys behind a prefix that the user gave, with or without its dot."""
    rests = [key.removeprefix(strip_prefix) for key in tensors if key.startswith(strip_prefix)]
    given = strip_prefix + "." * (bool(rests) and all(rest.startswith(".") for rest in rests))
    behind = {key.removeprefix(given): tensor for key, tensor in tensors.items() if key.startswith(given)}
    if not behind:
        prefixes = list(dict.fromkeys(prefix for prefix, _ in _marked(tensors) if prefix))[:MOST]
        instead = either(asked(option, prefix) for prefix in prefixes) if prefixes else f"leave {option} out"
        raise WrongChoice(f"no key begins with {shown(repr(strip_prefix))}; {instead}")
    inner = read_keys(behind, option=option)
    prefix = given + inner.prefix
    return Reading(prefix, inner.key_format, tuple(key for key in tensors if not key.startswith(prefix)))


def _several(prefixes: Sequence[str], option: str) -> WrongChoice:
    """What to raise where the keys of several models stand in one state dict."""
    choices = [asked(option, prefix) for prefix in prefixes if prefix][:MOST]
    bare = "one without a prefix (to take it, save it alone) and " * ("" in prefixes)
    there = quoted([prefix for prefix in prefixes if prefix])
    return WrongChoice(f"holds several models, {bare}behind {there}; choose with {either(choices)}")


def _marked(keys: Iterable[str]) -> Iterator[tuple[str, KeyFormat]]:
    """Each marker's prefix and format. Of several formats that a key marks, the one with the least before it counts.

    The others are that format without a word of its own: transformers' `convnext.`, mmpretrain's `backbone.`.
    """
    keys = dict.fromkeys(keys)
    for key in keys:
        behind = [(prefix, row) for row in KEY_FORMATS if (prefix := row.prefix_before_marker(key, keys)) is not None]
        if behind:
            yield min(behind, key=lambda reading: len(reading[0]))


def _first(keys: Sequence[str]) -> str:
    return ", ".join(repr(key)[:60] for key in keys[:3])


def _known() -> str:
    return ", ".join(dict.fromkeys(key_format.name for key_format in KEY_FORMATS))
