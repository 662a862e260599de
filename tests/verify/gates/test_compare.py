"""Comparing arrays, and the limits of the forward gates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_gates import failed, passed
from results import FACTS

from verify.gate import Gate, Measure, Verdict, not_run
from verify.gates.compare import Comparison, compare
from verify.gates.parity import float32_gate, float64_gate
from verify.result import Result

NAN, INF = math.nan, math.inf


def test_the_largest_difference_its_share_and_its_place_are_found() -> None:
    expected = np.array([[1.0, -8.0, 2.0], [3.0, 4.0, 5.0]])
    actual = np.array([[1.0, -8.5, 2.0], [3.0, 6.0, 5.0]])

    assert compare(expected, actual) == Comparison(max_abs=2.0, max_rel=0.25, worst=(1, 1))


def test_equal_arrays_differ_by_nothing() -> None:
    assert compare(np.ones((2, 2)), np.ones((2, 2))) == Comparison(0.0, 0.0, (0, 0))


def test_float32_is_compared_in_float64() -> None:
    expected = np.array([16777216.0], np.float32)

    assert compare(expected, np.array([1.0], np.float32)).max_abs == 16777215.0


def test_the_share_is_of_what_was_expected() -> None:
    assert compare(np.array([1.0]), np.array([101.0])).max_rel == 100.0


@pytest.mark.parametrize(("expected", "actual"), [([1.0, NAN], [1.0, 2.0]), ([1.0, 2.0], [1.0, NAN]), ([NAN], [NAN])])
def test_a_nan_on_either_side_is_a_nan(expected: list[float], actual: list[float]) -> None:
    compared = compare(np.array(expected), np.array(actual))

    assert math.isnan(compared.max_abs)
    assert math.isnan(compared.max_rel)
    assert compared.worst == (len(expected) - 1,)


def test_an_infinity_before_a_nan_does_not_hide_it() -> None:
    assert math.isnan(compare(np.array([INF, NAN]), np.array([0.0, 0.0])).max_abs)


@pytest.mark.parametrize(("expected", "actual"), [([INF, 1.0], [0.0, 1.0]), ([0.0, 1.0], [-INF, 1.0])])
def test_an_infinity_on_one_side_is_infinitely_far(expected: list[float], actual: list[float]) -> None:
    compared = compare(np.array(expected), np.array(actual))

    assert (compared.max_abs, compared.worst) == (INF, (0,))
    assert not compared.max_rel <= 1.0


def test_the_same_infinity_on_both_sides_is_no_agreement() -> None:
    assert math.isnan(compare(np.array([INF]), np.array([INF])).max_abs)


def test_nothing_but_zeros_expected_and_found_is_equal() -> None:
    assert compare(np.zeros(3), np.zeros(3)) == Comparison(0.0, 0.0, (0,))


def test_anything_where_only_zeros_were_expected_is_infinitely_far() -> None:
    assert compare(np.zeros(3), np.array([0.0, 1e-30, 0.0])) == Comparison(1e-30, INF, (1,))


@pytest.mark.parametrize(
    ("expected", "actual"), [((2,), (3,)), ((2, 3), (3, 2)), ((2, 1), (2,)), ((0,), (0,)), ((2, 0), (2, 0))]
)
def test_other_shapes_and_empty_ones_cannot_be_compared(expected: tuple[int, ...], actual: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot compare") as caught:
        compare(np.zeros(expected), np.zeros(actual))

    assert str(caught.value) == f"cannot compare shapes {expected} and {actual}"


# The gates


def comparison(max_abs: float, max_rel: float = 0.0) -> Comparison:
    return Comparison(max_abs, max_rel, (0,))


@pytest.mark.parametrize(
    ("max_rel", "verdict"),
    [(0.0, "passed"), (1e-9, "passed"), (1.001e-9, "FAILED"), (INF, "FAILED"), (NAN, "FAILED")],
)
def test_the_float64_gate_holds_up_to_1e_9_of_the_largest_logit(max_rel: float, verdict: str) -> None:
    assert float64_gate(comparison(1.0, max_rel)).verdict.value == verdict


@pytest.mark.parametrize(
    ("max_abs", "own", "verdict"),
    [
        (0.0, 0.0, "passed"),
        (1e-4, 1.0, "passed"),
        (1.001e-4, 1.0, "FAILED"),
        (8e-6, 1e-6, "passed"),
        (8.001e-6, 1e-6, "FAILED"),
        (1e-9, 0.0, "FAILED"),
        (INF, 1.0, "FAILED"),
        (NAN, 1e-6, "FAILED"),
        (1e-6, NAN, "FAILED"),
    ],
)
def test_the_float32_gate_holds_up_to_1e_4_and_8_times_torchs_own_error(
    max_abs: float, own: float, verdict: str
) -> None:
    assert float32_gate(comparison(max_abs), comparison(own)).verdict.value == verdict


def test_the_float64_gate_says_what_it_measured() -> None:
    assert float64_gate(comparison(2.5e-14, 1e-14)) == Gate(
        "float64 oracle",
        "max rel 1.0e-14",
        "max rel <= 1e-09",
        measures=(Measure("max rel", 1e-14, 1e-9), Measure("max abs", 2.5e-14)),
    )


def test_the_float32_gate_says_what_it_measured() -> None:
    assert float32_gate(comparison(1e-6), comparison(2e-6)) == Gate(
        "float32 logits",
        "max abs 1.0e-06, torch's own error 2.0e-06",
        "max abs <= 1e-04 and <= 8 x torch's own rounding error",
        measures=(
            Measure("max abs", 1e-6, 1e-4),
            Measure("max abs beside torch's own error", 1e-6, 8 * 2e-6),
            Measure("torch's own error", 2e-6),
        ),
    )


PASSED, FAILED, NOT_RUN = passed("one"), failed("two"), not_run("three", "why", "limit")


@pytest.mark.parametrize(
    ("value", "limit", "holds"),
    [
        (1.0, 1.0, True),
        (1.001, 1.0, False),
        (0, 0, True),
        (-INF, 0.0, True),
        (INF, 1.0, False),
        (NAN, 1.0, False),
        (0.0, NAN, False),
        (1e9, None, True),
        (INF, None, True),
        (NAN, None, False),
    ],
)
def test_a_measure_holds_up_to_its_limit_and_never_where_it_is_no_number(
    value: float, limit: float | None, holds: bool
) -> None:
    assert Measure("any", value, limit).holds is holds


@pytest.mark.parametrize(
    ("measures", "problems", "verdict"),
    [
        ((Measure("told", 7),), (), Verdict.PASSED),
        ((Measure("held", 1.0, 2.0), Measure("told", 7)), (), Verdict.PASSED),
        ((Measure("held", 1.0, 2.0), Measure("held too", 3.0, 2.0)), (), Verdict.FAILED),
        ((Measure("held", 1.0, 2.0),), ("a problem",), Verdict.FAILED),
        ((), (), Verdict.FAILED),
    ],
)
def test_the_verdict_follows_from_measures_and_problems(
    measures: tuple[Measure, ...], problems: tuple[str, ...], verdict: Verdict
) -> None:
    assert Gate("any", "measured", "limit", measures, problems).verdict is verdict


def test_a_gate_that_did_not_run_says_why() -> None:
    assert (NOT_RUN.verdict, NOT_RUN.outcome, NOT_RUN.limit) == (Verdict.NOT_RUN, "why", "limit")


def test_a_gate_that_did_not_run_has_a_reason() -> None:
    with pytest.raises(ValueError, match="three: a gate that did not run has a reason"):
        not_run("three", "", "limit")


@pytest.mark.parametrize(
    ("gates", "ok"),
    [
        ((), False),
        ((NOT_RUN,), False),
        ((NOT_RUN, NOT_RUN), False),
        ((PASSED,), True),
        ((PASSED, NOT_RUN), True),
        ((FAILED,), False),
        ((PASSED, FAILED), False),
        ((FAILED, NOT_RUN), False),
    ],
)
def test_a_result_is_good_when_a_gate_passed_and_none_failed(gates: tuple[Gate, ...], ok: bool) -> None:
    assert Result(FACTS, gates).ok is ok
