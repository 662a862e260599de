"""What is measured of a tensor's values while they pass through memory."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convert.arrays import BFLOAT16, Array, cast_values, dtype_name
from convert.buffers import Buffer
from convert.checksum import crc32
from convert.inspect.pieces import pieces, stated_checksum
from convert.stored import StoredArray

Number = int | float
Progress = Callable[[int], object]  # told how many bytes were read

TINY = 1e-30  # a sum of squares in single precision below it has lost what was squared
DIGITS = 6  # of a mean and its like: the last ones of a sum depend on the processor


@dataclass(frozen=True)
class Measure:
    """What a tensor's values are like.

    Attributes:
        low: the least finite value; None where there is none.
        high: the greatest finite value; None likewise.
        mean: of the finite values, to six digits; None without any, or where it was not asked for.
        rms: the square root of the mean of the squares of the finite values, to six digits; None without any.
        nan: how many values are NaN.
        inf: how many values are Inf or -Inf.
        checksum: CRC-32 of the values' bytes.
        digest: SHA-256 of dtype, shape and values, as `convert.digest.tensor_digest` has it; "" where it was not asked
            for.
    """

    low: Number | None
    high: Number | None
    mean: float | None
    rms: float | None
    nan: int
    inf: int
    checksum: int
    digest: str = ""

    @property
    def is_constant(self) -> bool:
        """Whether every value is the same one."""
        return self.low is not None and self.low == self.high and not self.nan and not self.inf


def ignore_progress(_: int) -> None:
    """Takes what a bar would be told."""


def measure(
    array: StoredArray, buffer: Buffer, *, thorough: bool = False, progress: Progress = ignore_progress
) -> Measure:
    """Reads a tensor once.

    Args:
        array: of any strides.
        buffer: what its pieces lie in.
        thorough: whether to take the mean and the digest too, which costs more than reading.
        progress: told of the bytes of each piece.

    Raises:
        CheckpointError: the checksum does not fit, or the file changed.
    """
    gauge, stated = _Gauge(thorough=thorough), stated_checksum(array)
    digest = hashlib.sha256(f"{dtype_name(array.dtype)} {array.shape} ".encode())
    for piece in pieces(array, buffer):
        content = piece.view(np.uint8).data
        gauge.checksum = stated if stated is not None else crc32(content, gauge.checksum)
        if thorough:
            digest.update(content)
        gauge.take(_plain(piece))
        progress(piece.nbytes)
    return gauge.reading(digest.hexdigest() if thorough else "")


def _plain(values: Array) -> Array:
    """The values in a dtype in which numpy is fast."""
    if values.dtype == BFLOAT16 or values.dtype == np.float16:
        return cast_values(values, np.dtype(np.float32))
    return values.view(np.uint8) if values.dtype == np.bool_ else values


class _Gauge:
    """Adds up what is measured, piece by piece."""

    def __init__(self, *, thorough: bool) -> None:
        self.checksum = 0
        self._thorough = thorough
        self._lows: list[Number] = []
        self._highs: list[Number] = []
        self._count = self._nan = self._inf = 0
        self._sum = self._squares = 0.0

    def take(self, values: Array) -> None:
        """Adds a piece of one value at least."""
        low, high = values.min().item(), values.max().item()
        if not (math.isfinite(low) and math.isfinite(high)):  # a NaN comes through both
            values = self._finite(values)
            if not values.size:
                return
            low, high = values.min().item(), values.max().item()
        self._lows.append(low)
        self._highs.append(high)
        self._count += values.size
        self._squares += _sum_of_squares(values)
        if self._thorough:
            self._sum += _sum(values)

    def reading(self, digest: str) -> Measure:
        """What was measured."""
        if not self._count:
            return Measure(None, None, None, None, self._nan, self._inf, self.checksum, digest)
        mean = _rounded(self._sum / self._count) if self._thorough else None
        rms = _rounded(math.sqrt(self._squares / self._count))
        return Measure(min(self._lows), max(self._highs), mean, rms, self._nan, self._inf, self.checksum, digest)

    def _finite(self, values: Array) -> Array:
        self._nan += int(np.count_nonzero(np.isnan(values)))
        self._inf += int(np.count_nonzero(np.isinf(values)))
        return values[np.isfinite(values)]


def _sum(values: Array) -> float:
    with np.errstate(over="ignore"):
        total = float(values.sum()) if values.dtype.kind == "f" else math.inf
    return total if math.isfinite(total) else float(values.sum(dtype=np.float64))


def _sum_of_squares(values: Array) -> float:
    with np.errstate(over="ignore"):
        total = float(np.dot(values, values)) if values.dtype.kind == "f" else math.inf
        if TINY < total < math.inf:
            return total
        wide = values.astype(np.float64)
        return float(np.dot(wide, wide))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
