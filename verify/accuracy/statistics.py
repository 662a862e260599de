"""Two tests of proportions in closed form, so that reading a report needs no statistics library."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, as fractions between 0 and 1; (0, 1) where nothing was counted.

    Wilson, JASA 22 (1927), https://doi.org/10.1080/01621459.1927.10502953, without correction for continuity.

    Raises:
        ValueError: successes that are no part of n, or a confidence not between 0 and 1.
    """
    if not 0 <= successes <= n or not 0 < confidence < 1:
        raise ValueError(f"no interval for {successes} of {n} at confidence {confidence}")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    # The ends are exactly 0 and 1 at no and at n successes, which rounding would miss.
    return (max(centre - half, 0.0) if successes else 0.0), (min(centre + half, 1.0) if successes < n else 1.0)


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided p of McNemar's exact test: b and c are the images that only one of two classifiers has right.

    Under the hypothesis that both are equally good, b is binomial with b + c tries at one half. 1 where both are 0.
    McNemar, Psychometrika 12 (1947), https://doi.org/10.1007/BF02295996.

    Raises:
        ValueError: a negative count.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts cannot be negative: {b}, {c}")
    term = tail = 1  # whole numbers: no rounding, and no underflow before the one division
    for k in range(min(b, c)):
        term = term * (b + c - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << (b + c)))
