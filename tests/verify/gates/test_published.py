"""The published gate: what passes it, what fails it, and when it does not run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from convert.frameworks import FRAMEWORKS
from verify.accuracy.scores import Accuracy, PairedResult, summarise
from verify.gate import Gate, Measure, Verdict
from verify.gates.published import published_gate
from verify.recipes.protocol import SQUASH
from verify.recipes.recipe import get_recipe
from verify.store.rows import ImageRow, Prediction

TINY = get_recipe("convnext_tiny.fb_in1k")  # 82.066, which is 41,033 of 50,000
ISOTROPIC = get_recipe("convnext_isotropic_small.fb_in1k")  # 78.7
MMPRETRAIN = get_recipe("mmpretrain/convnext-tiny_32xb128_in1k")  # 82.14
RIGHT = 41_033
CORRECT, WRONG = Prediction((0, 1), (5.0, 1.0)), Prediction((1, 0), (5.0, 1.0))


def result(torch: float | None, paddle: float | None, *, images: int = 50_000, read: int = 50_000) -> PairedResult:
    """A run with those top-1."""
    accuracy = {"torch": Accuracy(torch, torch), "paddle": Accuracy(paddle, paddle)}
    return PairedResult(images, read, (), accuracy, 100.0, (), 1e-6, 1e-6)


def rows(torch: int, paddle: int, *, count: int = 50_000, label: int | None = 0) -> list[ImageRow]:
    """Images of which each framework has so many right."""
    return [
        ImageRow(
            f"{number}.JPEG",
            label,
            None,
            1e-6,
            {"torch": CORRECT if number < torch else WRONG, "paddle": CORRECT if number < paddle else WRONG},
        )
        for number in range(count)
    ]


def gate_of(paired: PairedResult, name: str = TINY.name) -> Gate:
    return published_gate(paired, get_recipe(name), get_recipe(name).protocol)


def test_the_published_number_itself_passes() -> None:
    gate = gate_of(summarise(rows(RIGHT, RIGHT + 1)))

    assert (gate.name, gate.verdict, gate.problems) == ("published accuracy", Verdict.PASSED, ())
    assert gate.measured == "torch 82.066 (+0.000), paddle 82.068 (+0.002)"
    assert gate.limit == "each top-1 within 0.05 of 82.066, every image read"
    assert gate.measures == (
        Measure("published top-1", 82.066),
        Measure("torch's top-1 difference", 0.0, 0.05),
        Measure("paddle's top-1 difference", 0.002, 0.05),
        Measure("images not read", 0, 0),
    )
    assert gate.details == (("source", TINY.source),)


@pytest.mark.parametrize(
    ("off", "verdict"),
    [(25, Verdict.PASSED), (-25, Verdict.PASSED), (26, Verdict.FAILED), (-26, Verdict.FAILED)],
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_of_three_decimals_25_images_are_the_limit(framework: str, off: int, verdict: Verdict) -> None:
    right = {"torch": RIGHT, "paddle": RIGHT}
    right[framework] += off
    scores = {name: 100 * count / 50_000 for name, count in right.items()}
    gate = gate_of(result(scores["torch"], scores["paddle"]))

    assert gate.verdict is verdict
    said = f"{framework}'s top-1 {scores[framework]:.3f} is {off / 500:+.3f} from the published 82.066"
    assert gate.problems == ((said,) if verdict is Verdict.FAILED else ())


@pytest.mark.parametrize(
    ("name", "top1", "verdict"),
    [
        (ISOTROPIC.name, 78.8, Verdict.PASSED),
        (ISOTROPIC.name, 78.6, Verdict.PASSED),
        (ISOTROPIC.name, 78.802, Verdict.FAILED),
        (ISOTROPIC.name, 78.598, Verdict.FAILED),
        (MMPRETRAIN.name, 82.19, Verdict.PASSED),
        (MMPRETRAIN.name, 82.09, Verdict.PASSED),
        (MMPRETRAIN.name, 82.192, Verdict.FAILED),
        (MMPRETRAIN.name, 82.088, Verdict.FAILED),
    ],
)
def test_one_decimal_has_twice_the_room_and_two_have_not(name: str, top1: float, verdict: Verdict) -> None:
    assert gate_of(result(top1, top1), name).verdict is verdict


def test_the_limit_names_the_number_as_its_source_has_it() -> None:
    assert gate_of(result(78.7, 78.7), ISOTROPIC.name).limit == "each top-1 within 0.10 of 78.7, every image read"
    assert gate_of(result(79.7, 78.7), ISOTROPIC.name).problems == (
        "torch's top-1 79.700 is +1.000 from the published 78.7",
    )


def test_both_frameworks_are_judged() -> None:
    assert len(gate_of(summarise(rows(RIGHT - 100, RIGHT - 100))).problems) == 2


# Faults


def test_an_image_that_could_not_be_read_fails() -> None:
    broken = [*rows(RIGHT, RIGHT, count=49_999), ImageRow("bad.JPEG", 0, "cut", math.nan, {})]
    gate = gate_of(summarise(broken))

    assert (gate.verdict, gate.problems) == (Verdict.FAILED, ("1 of 50,000 images were not read",))


def test_labels_shifted_by_one_fail() -> None:
    assert gate_of(summarise(rows(RIGHT, RIGHT, label=2))).verdict is Verdict.FAILED


def test_a_logit_that_is_not_a_number_fails() -> None:
    gate = gate_of(replace(result(82.066, 82.066), max_abs=math.nan))

    assert (gate.verdict, gate.problems) == (Verdict.FAILED, ("a logit is not a number",))


def test_a_score_that_is_not_a_number_fails() -> None:
    gate = gate_of(result(82.066, math.nan))

    assert (gate.verdict, gate.problems) == (
        Verdict.FAILED,
        ("paddle's top-1 nan is +nan from the published 82.066",),
    )


def test_a_set_of_which_nothing_could_be_read_fails() -> None:
    gate = gate_of(result(None, None, read=0))

    assert gate.verdict is Verdict.FAILED
    assert gate.problems[-1] == "50,000 of 50,000 images were not read"


@pytest.mark.parametrize(("name", "limit"), [(TINY.name, 0.05), (ISOTROPIC.name, 0.10)])
def test_the_measures_carry_that_recipe_s_limit(name: str, limit: float) -> None:
    recipe = get_recipe(name)
    gate = gate_of(result(recipe.top1, recipe.top1, images=recipe.images, read=recipe.images), name)

    assert [measure.limit for measure in gate.measures] == [None, limit, limit, 0]


# Where it does not run


def test_without_a_published_number_it_does_not_run() -> None:
    gate = published_gate(result(82.066, 82.066), None, TINY.protocol)

    assert (gate.verdict, gate.outcome) == (Verdict.NOT_RUN, "no recipe named or recognised")
    assert gate.limit == "each top-1 within 0.05 of the published one, 0.10 if that has one decimal"


def test_without_labels_it_does_not_run() -> None:
    gate = gate_of(summarise(rows(RIGHT, RIGHT, label=None)))

    assert (gate.verdict, gate.outcome) == (Verdict.NOT_RUN, "the images have no labels")


@pytest.mark.parametrize("images", [0, 1, 49_999, 50_001])
def test_over_another_number_of_images_it_does_not_run(images: int) -> None:
    gate = gate_of(result(82.066, 82.066, images=images, read=images))

    assert gate.verdict is Verdict.NOT_RUN
    assert gate.outcome == f"{images:,} images, the published number is over 50,000"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": 288, "resize": 288}, "size 288 instead of 224, short edge 288 instead of 256"),
        ({"resize": 257}, "short edge 257 instead of 256"),
        ({"resize": SQUASH}, "squash instead of short edge 256"),
        ({"interpolation": "bilinear"}, "bilinear instead of bicubic"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean (0.5, 0.5, 0.5) instead of (0.485, 0.456, 0.406)"),
        ({"std": (0.229, 0.224, 0.226)}, "std (0.229, 0.224, 0.226) instead of (0.229, 0.224, 0.225)"),
    ],
)
def test_with_another_protocol_it_does_not_run(changes: dict[str, Any], said: str) -> None:
    gate = published_gate(result(82.066, 82.066), TINY, replace(TINY.protocol, **changes))

    assert (gate.verdict, gate.outcome) == (Verdict.NOT_RUN, f"not the published protocol: {said}")
