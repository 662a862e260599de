"""The last gate: both frameworks' top-1 against the published number."""

from __future__ import annotations

import math

from convert.frameworks import FRAMEWORKS
from verify.accuracy.scores import PairedResult
from verify.gate import Gate, gate, not_run
from verify.limits import PUBLISHED_POINTS, PUBLISHED_POINTS_OF_ONE_DECIMAL
from verify.recipes.choose import differences, not_published
from verify.recipes.protocol import Protocol
from verify.recipes.recipe import Recipe

NAME = "published accuracy"
LIMIT = (
    f"each top-1 within {PUBLISHED_POINTS:.2f} of the published one, "
    f"{PUBLISHED_POINTS_OF_ONE_DECIMAL:.2f} if that has one decimal"
)


def tolerance(recipe: Recipe) -> float:
    """How far a top-1 may stand from the published one, in percentage points."""
    return PUBLISHED_POINTS_OF_ONE_DECIMAL if recipe.decimals < 2 else PUBLISHED_POINTS


def limit(recipe: Recipe) -> str:
    """The gate's condition for that published number, in words."""
    return f"each top-1 within {tolerance(recipe):.2f} of {_number(recipe)}, every image read"


def published_gate(paired: PairedResult, recipe: Recipe | None, protocol: Protocol) -> Gate:
    """Holds when each framework's top-1 is the published one, over all images that it is over, each of them read.

    Args:
        paired: both frameworks' scores.
        recipe: the evaluation to compare with, or None.
        protocol: the protocol that gave the scores. The gate does not run where it is not the published one.
    """
    if recipe is None:
        return not_run(NAME, "no recipe named or recognised", LIMIT)
    if reason := _cannot_compare(paired, recipe, protocol):
        return not_run(NAME, reason, limit(recipe))
    scores = {name: _score(paired.accuracy[name].top1) for name in FRAMEWORKS}
    off = {name: score - recipe.top1 for name, score in scores.items()}
    problems = [
        f"{name}'s top-1 {scores[name]:.3f} is {_signed(off[name])} from the published {_number(recipe)}"
        for name in FRAMEWORKS
        if not abs(off[name]) <= tolerance(recipe) + 1e-9  # the sums of binary fractions; NaN fails
    ]
    if paired.read < paired.images:
        problems.append(f"{paired.images - paired.read:,} of {paired.images:,} images were not read")
    if not math.isfinite(paired.max_abs):
        problems.append("a logit is not a number")
    return gate(
        NAME,
        not problems,
        ", ".join(f"{name} {scores[name]:.3f} ({_signed(off[name])})" for name in FRAMEWORKS),
        limit(recipe),
        problems=tuple(problems),
        published=recipe.top1,
        source=recipe.source,
        tolerance=tolerance(recipe),
        torch_difference=off["torch"],
        paddle_difference=off["paddle"],
    )


def _cannot_compare(paired: PairedResult, recipe: Recipe, protocol: Protocol) -> str:
    if changes := differences(protocol, recipe.protocol):
        return not_published(changes)
    if paired.images != recipe.images:
        return f"{paired.images:,} images, the published number is over {recipe.images:,}"
    if paired.read and None in (paired.accuracy[name].top1 for name in FRAMEWORKS):
        return "the images have no labels"
    return ""


def _number(recipe: Recipe) -> str:
    return f"{recipe.top1:.{recipe.decimals}f}"


def _score(top1: float | None) -> float:
    return math.nan if top1 is None else top1


def _signed(points: float) -> str:
    return f"{round(points, 3) + 0.0:+.3f}"  # no "-0.000"
