"""What `convert` would make of a state dict: its key format and architecture, or why it knows none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from convert.errors import CheckpointError
from convert.key_formats import name_officially
from convert.params import is_counter
from convert.source.recognise import recognise_arch
from convert.stored import StoredArray


@dataclass(frozen=True)
class Recognised:
    """What a state dict is, as far as that is known.

    Attributes:
        key_format: the library whose names it uses; "" where none is known.
        prefix: what stands before every name and is taken off.
        arch: the architecture; "" where none fits.
        num_classes: outputs of the head; 0 without a head, or where no architecture fits.
        in_chans: channels of the input image; 0 where no architecture fits.
        framework: "torch" or "paddle", whose layout the tensors have; "" where no architecture fits.
        head: the names in the state dict of the head's weight and bias, where it has both.
        variant: what the library's networks compute otherwise than the authors'; "" where nothing.
        reason: why no key format, or no architecture, is known; "" otherwise.
        left_out: names of other parts of a larger model, and of single numbers among the weights.
    """

    key_format: str = ""
    prefix: str = ""
    arch: str = ""
    num_classes: int = 0
    in_chans: int = 0
    framework: str = ""
    head: tuple[str, ...] = ()
    variant: str = ""
    reason: str = ""
    left_out: tuple[str, ...] = field(default=())


def recognise(tensors: Mapping[str, StoredArray], frameworks: Sequence[str]) -> Recognised:
    """What the tensors are, from their names and shapes alone.

    Args:
        tensors: names as the file has them to tensors.
        frameworks: "torch", "paddle" or both: whose layout they may be in.
    """
    try:
        named = name_officially(tensors)
    except CheckpointError as error:
        return Recognised(reason=_without_advice(error))
    shapes = {name: array.shape for name, array in named.tensors.items() if not is_counter(name, array.shape)}
    key_format, prefix = named.key_format.name, named.prefix
    left_out = (*named.left_out, *named.numbers)
    try:
        spec, framework = recognise_arch(shapes, frameworks)
    except CheckpointError as error:
        return Recognised(key_format, prefix, reason=_without_advice(error), left_out=left_out)
    head = tuple(named.keys[name] for name in (spec.head_key, spec.head_bias_key) if name in named.keys)
    return Recognised(
        key_format,
        prefix,
        spec.name,
        num_classes=spec.num_classes if spec.head_key in shapes else 0,
        in_chans=spec.in_chans,
        framework=framework,
        variant=named.key_format.as_computed(spec).variant,
        head=head if len(head) == 2 else (),
        left_out=left_out,
    )


def _without_advice(error: CheckpointError) -> str:
    """What is said to somebody who converts the file, but for what to do about it."""
    return re.split(r"; (?:give|choose|keep) |: --arch ", str(error))[0]
