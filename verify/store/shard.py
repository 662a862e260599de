"""Parts of a data set, for several machines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """A part of the data set: whole batches, so that the logits' bits are those of one run.

    Attributes:
        number: from 1 on.
        count: of shards.
    """

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def share(self, batches: Sequence[range]) -> Sequence[range]:
        """The shard's own batches: consecutive ones, shared out as evenly as whole batches allow."""
        first, last = (len(batches) * edge // self.count for edge in (self.number - 1, self.number))
        return batches[first:last]


def parse_shard(text: str) -> Shard:
    """ "2/8" as a shard; a ValueError otherwise."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"{text!r}: a shard is I/N with I from 1 to N, for example 2/8")
    return Shard(int(match[1]), int(match[2]))
