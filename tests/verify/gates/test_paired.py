"""The paired gate: what fails it, what may stand, and how it is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pairs import CALM, flip_by, scored

from convert.frameworks import FRAMEWORKS
from verify.accuracy.scores import summarise
from verify.gate import Measure, Verdict
from verify.gates.paired import paired_gate
from verify.store.rows import ImageRow, Prediction


def test_one_explained_flip_may_stand_on_a_small_set() -> None:
    gate = paired_gate(flip_by(margin=1e-6, noise=1e-5))

    assert (gate.verdict, gate.problems) == (Verdict.PASSED, ())
    assert gate.measured == "1 flip, 0 unexplained, 10 of 10 images, top-1 differs by -10.000"


def test_two_explained_flips_to_the_same_side_may_not_stand_on_a_small_set() -> None:
    torch = np.array([[1e-6, 0.0], [1e-6, 0.0], [5.0, 1.0]])
    paddle = np.array([[0.0, 1e-6], [0.0, 1e-6], [5.0, 1.0 + 1e-5]])
    gate = paired_gate(scored(torch, paddle, [0, 0, 0]))

    assert (gate.verdict, gate.problems) == (Verdict.FAILED, ("top-1 differs by -66.667 points",))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["NaN", "Inf"])
def test_a_logit_that_is_no_number_fails(value: float, framework: str) -> None:
    logits = {name: np.array([CALM, CALM]) for name in FRAMEWORKS}
    logits[framework][1, 5] = value
    result = scored(logits["torch"], logits["paddle"], [0, 0])

    assert not result.max_abs <= 1e-4
    assert paired_gate(result).verdict is Verdict.FAILED


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["NaN", "Inf"])
def test_a_logit_that_is_no_number_in_both_fails(value: float) -> None:
    logits = np.array([CALM, [*CALM[:5], value]])
    gate = paired_gate(scored(logits, logits, [0, 0]))

    assert "logits differ by nan, the limit is 1e-04" in gate.problems
    assert gate.verdict is Verdict.FAILED


def test_logits_further_apart_than_the_limit_fail_without_a_flip() -> None:
    logits = np.array([CALM])
    gate = paired_gate(scored(logits, logits + 2e-4, [0]))

    assert (gate.verdict, gate.problems) == (Verdict.FAILED, ("logits differ by 2.00e-04, the limit is 1e-04",))


def test_the_printed_limit_names_the_logits() -> None:
    gate = paired_gate(flip_by(margin=1e-6, noise=1e-5))

    assert gate.limit == ("no unexplained flip, logits within 1e-04, |top-1 difference| <= 0.02, every image read")


@pytest.mark.parametrize(("calm", "limit"), [(9, 10.0), (2, 33.333333333), (9_999, 0.02)])
def test_the_measures_carry_the_limits_that_were_applied(calm: int, limit: float) -> None:
    gate = paired_gate(flip_by(margin=1e-6, noise=1e-5, calm=calm))
    measures = {measure.name: measure for measure in gate.measures}

    assert gate.verdict is Verdict.PASSED
    assert measures["top-1 difference"] == Measure("top-1 difference", round(100 / (calm + 1), 9), limit)
    assert measures["logit difference"].limit == 1e-4
    assert (measures["images not read"].limit, measures["unexplained flips"].limit) == (0, 0)


def test_without_labels_no_difference_of_accuracies_is_measured() -> None:
    gate = paired_gate(scored(np.array([CALM]), np.array([CALM]), [None]))

    assert "top-1 difference" not in [measure.name for measure in gate.measures]


def test_unreadable_images_fail_and_are_named() -> None:
    logits = np.array([CALM, CALM])
    result = scored(logits, logits, [0, 1], broken=["a.png", "b.png"])
    gate = paired_gate(result)

    assert (gate.verdict, gate.problems) == (Verdict.FAILED, ("not read    a.png: cut", "not read    b.png: cut"))
    assert gate.measured == "0 flips, 0 unexplained, 2 of 4 images, top-1 differs by 0.000"
    assert (result.accuracy["torch"].top1, result.accuracy["torch"].top5) == (50.0, 100.0)


def test_an_image_without_predictions_is_named() -> None:
    row = ImageRow("a.png", 0, None, math.nan, {"torch": Prediction((0,), (1.0,))})

    assert summarise([row]).unreadable == (("a.png", "no prediction"),)


@pytest.mark.parametrize("broken", [(), ("a.png",)], ids=["none", "none read"])
def test_no_images_fail(broken: tuple[str, ...]) -> None:
    gate = paired_gate(scored(np.empty((0, 6)), np.empty((0, 6)), [], broken=broken))

    assert gate.verdict is Verdict.FAILED
    assert gate.problems[len(broken) :] == ("no image could be read", "logits differ by nan, the limit is 1e-04")


# Large sets


class CountedRow(ImageRow):
    """A row that counts how often it is compared with another."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedRow.compared += 1
        return self is other

    __hash__ = ImageRow.__hash__


def row(number: int, *, flipped: bool = False) -> ImageRow:
    torch, paddle = Prediction((0, 1), (1e-6, 0.0)), Prediction((1, 0) if flipped else (0, 1), (1e-6, 0.0))
    return ImageRow(f"{number}.png", 0, None, 1e-5, {"torch": torch, "paddle": paddle})


@pytest.mark.parametrize(("flips", "verdict"), [(2, Verdict.PASSED), (3, Verdict.FAILED)])
def test_on_a_large_set_more_than_two_hundredths_of_a_point_fail(flips: int, verdict: Verdict) -> None:
    result = summarise([row(number, flipped=number < flips) for number in range(10_000)])
    gate = paired_gate(result)

    assert (result.unexplained, len(result.flips)) == (0, flips)
    assert gate.verdict is verdict
    assert gate.problems == (("top-1 differs by -0.030 points",) if verdict is Verdict.FAILED else ())


def test_the_work_grows_with_the_set_and_not_with_its_square() -> None:
    CountedRow.compared = 0
    summarise([CountedRow(f"{n}.png", 0, None, 0.0, row(n).predictions) for n in range(1_000)])

    assert CountedRow.compared <= 1_000
