"""Checksums of what stands in a run store: a bit that has turned is noticed, not counted.

They are against accidents. Whoever writes rows of their own can write the checksums of these beside them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence


def checksum_of(values: Iterable[object]) -> int:
    """CRC-32 of values as SQLite keeps them, in their order."""
    return zlib.crc32(repr([*values]).encode())  # repr escapes what is no Unicode


def row_checksum(image: Sequence[object], predictions: Mapping[str, Sequence[object]]) -> int:
    """CRC-32 of an image's columns and of every prediction on it, all as SQLite keeps them.

    Args:
        image: its columns but the checksum.
        predictions: by framework, in whatever order; the columns after it.
    """
    return checksum_of([*image, *([name, *predictions[name]] for name in sorted(predictions))])


def kept(value: object) -> object:
    """A value as SQLite gives it back: it keeps NaN as NULL, and the zero of either sign as one."""
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else float(value) + 0.0
