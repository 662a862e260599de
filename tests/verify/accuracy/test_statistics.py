"""Intervals and tests of proportions, against scipy's."""

from __future__ import annotations

import math
import time

import pytest
from scipy.stats import binomtest

from verify.accuracy.statistics import mcnemar_exact, wilson_interval

COUNTS = [(0, 1), (1, 1), (0, 7), (7, 7), (1, 7), (3, 7), (364, 364), (361, 364), (41_037, 50_000), (50_000, 50_000)]


@pytest.mark.parametrize(("successes", "n"), COUNTS)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_interval_is_scipys(successes: int, n: int, confidence: float) -> None:
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")

    assert wilson_interval(successes, n, confidence=confidence) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_of_82_07_per_cent_is_a_third_of_a_point_to_either_side() -> None:
    low, high = wilson_interval(41_035, 50_000)

    assert (round(100 * low, 2), round(100 * high, 2)) == (81.73, 82.40)


def test_the_interval_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("n", [1, 3, 10, 1000, 50_000])
def test_none_and_all_reach_the_ends_exactly(n: int) -> None:
    assert wilson_interval(0, n)[0] == 0.0
    assert wilson_interval(n, n)[1] == 1.0


@pytest.mark.parametrize(("successes", "n", "confidence"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 0.0), (1, 3, 1.0)])
def test_what_is_no_proportion_is_refused(successes: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=rf"no interval for {successes} of {n} at confidence {confidence}"):
        wilson_interval(successes, n, confidence=confidence)


@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (1, 1), (0, 6), (5, 9), (9, 5), (3, 40), (120, 161), (700, 900)])
def test_mcnemars_p_is_the_binomial_tests(pair: tuple[int, int]) -> None:
    expected = binomtest(pair[0], sum(pair), 0.5).pvalue

    assert mcnemar_exact(*pair) == pytest.approx(expected, rel=1e-9)


def test_where_nothing_differs_p_is_1() -> None:
    assert mcnemar_exact(0, 0) == 1.0


def test_six_against_none_is_one_in_thirty_two() -> None:
    assert mcnemar_exact(6, 0) == mcnemar_exact(0, 6) == 1 / 32


def test_a_p_under_the_smallest_number_is_0() -> None:
    assert mcnemar_exact(2000, 0) == 0.0


def test_a_whole_validation_set_of_differences_takes_under_a_second() -> None:
    start = time.monotonic()
    p = mcnemar_exact(25_300, 24_700)

    assert time.monotonic() - start < 1
    assert p == pytest.approx(binomtest(25_300, 50_000).pvalue, rel=1e-9)


@pytest.mark.parametrize("pair", [(-1, 0), (0, -1)])
def test_a_negative_count_is_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"counts cannot be negative: {pair[0]}, {pair[1]}"):
        mcnemar_exact(*pair)


def test_every_p_lies_between_0_and_1() -> None:
    assert all(0 < mcnemar_exact(b, c) <= 1 and not math.isnan(mcnemar_exact(b, c)) for b in range(9) for c in range(9))
