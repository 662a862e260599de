"""From scores under the usual mistakes to a conclusion, or to the admission that there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from verify.accuracy.statistics import mcnemar_exact, wilson_interval

LEVEL = 0.05  # of all mistakes together: each is tested at this over their number (Bonferroni)
POWER = 0.8  # the chance to see a difference of the size that is called detectable
MOST = 0.5  # a mistake that explains less of what is missing is not called its cause

Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """The images under one mistake set right.

    Attributes:
        name: the mistake in words.
        right: (N,) bool, over the images of the run; False where not seen.
        seen: (N,) bool, the images that were scored.
        advice: what to pass or to mend.
    """

    name: str
    right: Truths
    seen: Truths
    advice: str

    def discordant_counts(self, base: Truths) -> tuple[int, int]:
        """Images seen that are right under this alone, and under `base` (N,) alone."""
        mine, other = self.right[self.seen], base[self.seen]
        return int(np.sum(mine & ~other)), int(np.sum(other & ~mine))

    def difference(self, base: Truths) -> float:
        """Percentage points against `base` on the images seen."""
        gained, lost = self.discordant_counts(base)
        return 100 * (gained - lost) / max(int(self.seen.sum()), 1)

    def tied(self, other: Score) -> bool:
        """Whether the images that both have seen cannot tell the two apart."""
        both = self.seen & other.seen
        one, two = self.right[both], other.right[both]
        return mcnemar_exact(int(np.sum(one & ~two)), int(np.sum(two & ~one))) >= LEVEL


def detectable(score: Score, base: Truths, images: int, tests: int) -> float:
    """The difference in percentage points that so many images would show with the chance `POWER`.

    Args:
        score: whose share of images that change sides is taken; at least one image is assumed to.
        base: (N,) right in the run.
        images: to be scored.
        tests: among which the level is divided.
    """
    moving = max(sum(score.discordant_counts(base)), 1) / max(int(score.seen.sum()), 1)
    normal = NormalDist()
    deviations = normal.inv_cdf(1 - LEVEL / (2 * tests)) + normal.inv_cdf(POWER)
    return 100 * deviations * math.sqrt(moving / images)


def conclude_why(scores: Sequence[Score], base: Truths, *, expected: float | None, sample_size: int) -> str:
    """The verdict in a few sentences.

    Args:
        scores: of every mistake.
        base: (N,) right in the run.
        expected: top-1 in per cent; None takes any rise.
        sample_size: the size of the sample that was asked for.
    """
    top1 = 100 * float(base.mean())
    goal = 100.0 if expected is None else expected
    ranked = sorted(scores, key=lambda score: abs(top1 + score.difference(base) - goal))
    limit = LEVEL / len(scores)
    better = [
        score
        for score in ranked
        if mcnemar_exact(*score.discordant_counts(base)) < limit and _nears(top1, score.difference(base), goal)
    ]
    if not better:
        return _sentence_of_no_cause(ranked[0], base, sample_size, len(scores)) + _sentence_of_chance(base, expected)
    best = better[0]
    gained, p = best.difference(base), mcnemar_exact(*best.discordant_counts(base))
    evidence = f"{gained:+.2f} points on {int(best.seen.sum()):,} images, p = {p:.1g}"
    if expected is not None and gained / (goal - top1) < MOST:
        return (
            f"no usual mistake explains the {goal - top1:+.2f} points: the most is {best.name} with {evidence}. "
            f"It may be one of several; its remedy: {best.advice}"
        )
    sentences = [_sentence_of_the_best(best, top1, gained, evidence, expected), *_sentences_of_ties(best, better[1:])]
    return " ".join(sentences if expected is None else [*sentences, *_sentences_of_the_remainder(best, base, goal)])


def _nears(top1: float, difference: float, goal: float) -> bool:
    return abs(top1 + difference - goal) < abs(top1 - goal)


def _sentence_of_the_best(best: Score, top1: float, gained: float, evidence: str, expected: float | None) -> str:
    expectation = "" if expected is None else f" of the expected {expected:.2f}"
    becomes = f"top-1 {top1:.2f} becomes {top1 + gained:.2f}{expectation}"
    return f"{best.name} explains it best: {becomes} ({evidence}). Remedy: {best.advice}."


def _sentences_of_ties(best: Score, better: Sequence[Score]) -> list[str]:
    names = [score.name for score in better if score.tied(best)]
    return [f"These images cannot tell it from: {'; '.join(names)}."] if names else []


def _sentences_of_the_remainder(best: Score, base: Truths, goal: float) -> list[str]:
    n, difference = int(best.seen.sum()), best.difference(base) / 100
    error = 1.96 * 100 * math.sqrt(max(sum(best.discordant_counts(base)) / n - difference**2, 0) / n)
    remainder = goal - 100 * float(base.mean()) - 100 * difference
    if abs(remainder) <= max(error, 0.1):
        return []
    return [f"{remainder:+.2f} points remain: set this right and ask again."]


def _sentence_of_chance(base: Truths, expected: float | None) -> str:
    low, high = (100 * end for end in wilson_interval(int(base.sum()), len(base)))
    if expected is None or not low <= expected <= high:
        return ""
    return (
        f". {expected:.2f} lies within {low:.2f} to {high:.2f}, the 95 % interval of {len(base):,} images: "
        "if it was measured on others, chance may be all"
    )


def _sentence_of_no_cause(nearest: Score, base: Truths, sample_size: int, tests: int) -> str:
    seen = int(nearest.seen.sum())
    text = f"on {seen:,} images no usual mistake differs significantly in the right direction; nothing is concluded. "
    p = mcnemar_exact(*nearest.discordant_counts(base))
    text += f"The nearest is {nearest.name} ({nearest.difference(base):+.2f} points, p = {p:.1g}; {nearest.advice}); "
    text += f"differences from {detectable(nearest, base, seen, tests):.1f} points on would show"
    more = min(10 * sample_size, len(base))
    if more <= seen:
        return text
    return f"{text}, with --why-sample {more} from {detectable(nearest, base, more, tests):.1f}"
