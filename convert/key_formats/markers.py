"""What tells a ConvNeXt's state dict from other mappings of tensors: the marker of a key format, behind a prefix.

The prefix is whatever stands before the format's own names, in whole words: of parallel training (`module.`), of
`torch.compile` (`_orig_mod.`), of the class that has the network as a part (`model.`, `backbone.`, `net.`), in any
order and as many as there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from convert.arrays import Tensor
from convert.errors import CheckpointError, WrongChoice, asked, counted, either, quoted, shown
from convert.key_formats.families import KEY_FORMATS
from convert.key_formats.rules import KeyFormat

STRIP_PREFIX = "--strip-prefix"
BARE = "."  # what `--strip-prefix` calls the model without a prefix, as `--weights` calls the file's own object
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


Prefixes = Iterator[tuple[str, KeyFormat]]


@dataclass(frozen=True)
class Signs:
    """By what a network's keys are recognised.

    Attributes:
        find: what stands before each sign among some keys, and the format that it is one of.
        whose: of what network they are: "a ConvNeXt's".
        nothing: what is said of keys without a sign, after what the first ones are.
    """

    find: Callable[[Iterable[str]], Prefixes]
    whose: str
    nothing: str


def has_marker(keys: Iterable[str]) -> bool:
    """Whether one of the keys is a format's marker, whatever stands before it."""
    return next(_marked(keys), None) is not None


def read_keys(
    tensors: Mapping[str, Tensor], *, strip_prefix: str = "", option: str = STRIP_PREFIX, signs: Signs | None = None
) -> Reading:
    """The one reading of a state dict's keys.

    A prefix is taken off where every tensor has it. A single number (a count of averages, say) may stand without it,
    for no model has one; of other tensors the user has to say that they are to be left out.

    Args:
        tensors: the state dict.
        strip_prefix: what the keys begin with that are read; the others are left out. "." for the model without a
            prefix, where another stands behind one; "" for what all begin with.
        option: what the user calls `strip_prefix`.
        signs: by what the keys are recognised; the key formats' markers unless given.

    Raises:
        CheckpointError: the keys are of no format, or of several.
        WrongChoice: several models, or other tensors, stand there behind different prefixes.
    """
    signs = signs or _signs()
    return _read_behind(strip_prefix, tensors, option, signs) if strip_prefix else _read(tensors, option, signs)


def _read(tensors: Mapping[str, Tensor], option: str, signs: Signs, before: str = "") -> Reading:
    """The one reading of keys before which the user has named what is `before`."""
    readings = dict.fromkeys(signs.find(tensors))
    prefixes = list(dict.fromkeys(prefix for prefix, _ in readings))
    if not readings:
        raise CheckpointError(f"the keys ({_first(list(tensors))}, ...) {signs.nothing}")
    if len(prefixes) > 1:
        raise _several([before + prefix for prefix in prefixes], option)
    if len(readings) > 1:
        names = ", ".join(sorted(key_format.name for _, key_format in readings))
        raise CheckpointError(f"the keys fit several key formats: {names}; keep one model's keys in the file")
    ((prefix, key_format),) = readings
    others = [key for key in tensors if not key.startswith(prefix)]
    strangers = [key for key in others if tensors[key].shape and not key_format.is_training(key, tensors[key].shape)]
    if strangers:
        raise WrongChoice(
            f"{shown(repr(before + prefix))} stands before {signs.whose} keys, but not before "
            f"{counted(len(strangers), 'other tensor')}: {quoted(strangers)}; "
            f"{asked(option, before + prefix)} takes what it stands before, and leaves the rest out"
        )
    return Reading(prefix, key_format, tuple(others))


def _read_behind(strip_prefix: str, tensors: Mapping[str, Tensor], option: str, signs: Signs) -> Reading:
    """The reading of the keys behind a prefix that the user gave, with or without its dot; or of those without one.

    A model right behind the prefix is meant, whatever other models stand behind more than that.
    """
    rests = [key.removeprefix(strip_prefix) for key in tensors if key.startswith(strip_prefix)]
    given = strip_prefix + "." * (bool(rests) and all(rest.startswith(".") for rest in rests))
    bare = strip_prefix == BARE and not rests
    given = "" if bare else given
    behind = {key.removeprefix(given): tensor for key, tensor in tensors.items() if key.startswith(given)}
    marked = dict.fromkeys(signs.find(behind))
    formats = [key_format for prefix, key_format in marked if not prefix]
    if not behind or (bare and not formats):
        raise _no_such(strip_prefix, tensors, option, signs)
    others = _of_others(behind, [prefix for prefix, _ in marked if prefix], formats) if formats else set()
    inner = _read({key: tensor for key, tensor in behind.items() if key not in others}, option, signs, given)
    read = {given + key for key in behind.keys() - others - {*inner.left_out}}
    return Reading(given + inner.prefix, inner.key_format, tuple(key for key in tensors if key not in read))


def _no_such(strip_prefix: str, tensors: Mapping[str, Tensor], option: str, signs: Signs) -> WrongChoice:
    """What to raise where no key begins with what the user gave, or no model stands bare."""
    prefixes = list(dict.fromkeys(prefix for prefix, _ in signs.find(tensors) if prefix))[:MOST]
    instead = either(asked(option, prefix) for prefix in prefixes) if prefixes else f"leave {option} out"
    if strip_prefix == BARE:
        return WrongChoice(f"no model stands there without a prefix; {instead}")
    return WrongChoice(f"no key begins with {shown(repr(strip_prefix))}; {instead}")


def _of_others(keys: Iterable[str], prefixes: Sequence[str], formats: Sequence[KeyFormat]) -> set[str]:
    """The keys of models behind those prefixes, with what stands beside them, where one of those formats is meant."""
    words = tuple({f"{prefix.partition('.')[0]}." for prefix in prefixes})
    return {
        key
        for key in keys
        if key.startswith(tuple(prefixes))
        or (key.startswith(words) and not any(key_format.to_official(key) for key_format in formats))
    }


def _several(prefixes: Sequence[str], option: str) -> WrongChoice:
    """What to raise where the keys of several models stand in one state dict."""
    choices = [asked(option, prefix or BARE) for prefix in prefixes][:MOST]
    bare = "one without a prefix and " * ("" in prefixes)
    there = quoted([prefix for prefix in prefixes if prefix])
    return WrongChoice(f"holds several models, {bare}behind {there}; choose with {either(choices)}")


def _signs() -> Signs:
    """Those of the key formats."""
    nothing = f"are a network's in no key format known here: {_known()}; give the network's own state dict"
    return Signs(_marked, "a ConvNeXt's", nothing)


def _marked(keys: Iterable[str]) -> Prefixes:
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
