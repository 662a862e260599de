"""The last gate: both frameworks' top-1 against the published number."""

from __future__ import annotations

import math

from convert.frameworks import FRAMEWORKS
from verify.accuracy.scores import PairedResult
from verify.gate import Gate, Measure, not_run
from verify.gates import PUBLISHED
from verify.limits import POINTS_DECIMALS, PUBLISHED_POINTS, PUBLISHED_POINTS_OF_ONE_DECIMAL
from verify.recipes.choose import differences, not_published
from verify.recipes.protocol import Protocol
from verify.recipes.recipe import Recipe


def tolerance(recipe: Recipe) -> float:
    """How far a top-1 may stand from the published one, in percentage points."""
    return PUBLISHED_POINTS_OF_ONE_DECIMAL if recipe.decimals < 2 else PUBLISHED_POINTS


def limit(recipe: Recipe) -> str:
    """The gate's condition for that published number, in words."""
    return f"each top-1 within {tolerance(recipe):.2f} of {_number(recipe)}, every image read"


def not_compared(recipe: Recipe, reason: str) -> Gate:
    """The gate where no score can be compared with the published one."""
    return not_run(PUBLISHED.name, reason, limit(recipe))


def published_gate(paired: PairedResult, recipe: Recipe | None, protocol: Protocol) -> Gate:
    """Holds when each framework's top-1 is the published one, over all images that it is over, each of them read.

    Args:
        paired: both frameworks' scores.
        recipe: the evaluation to compare with, or None.
        protocol: the protocol that gave the scores. The gate does not run where it is not the published one.
    """
    if recipe is None:
        return not_run(PUBLISHED.name, "no recipe named or recognised", PUBLISHED.limit)
    if reason := _cannot_compare(paired, recipe, protocol):
        return not_compared(recipe, reason)
    scores = {name: _score(paired.accuracy[name].top1) for name in FRAMEWORKS}
    off = {name: score - recipe.top1 for name, score in scores.items()}
    measures = {
        name: Measure(f"{name}'s top-1 difference", round(abs(off[name]), POINTS_DECIMALS), tolerance(recipe))
        for name in FRAMEWORKS
    }
    problems = [
        f"{name}'s top-1 {scores[name]:.3f} is {_signed(off[name])} from the published {_number(recipe)}"
        for name in FRAMEWORKS
        if not measures[name].holds
    ]
    if paired.read < paired.images:
        problems.append(f"{paired.images - paired.read:,} of {paired.images:,} images were not read")
    if not math.isfinite(paired.max_abs):
        problems.append("a logit is not a number")
    return Gate(
        PUBLISHED.name,
        ", ".join(f"{name} {scores[name]:.3f} ({_signed(off[name])})" for name in FRAMEWORKS),
        limit(recipe),
        measures=(
            Measure("published top-1", recipe.top1),
            *measures.values(),
            Measure("images not read", paired.images - paired.read, 0),
        ),
        problems=tuple(problems),
        details=(("source", recipe.source),),
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
