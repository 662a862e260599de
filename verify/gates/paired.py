"""The gate on accuracy: both frameworks over the same images."""

from __future__ import annotations

from collections.abc import Sequence

from convert.errors import counted
from verify.accuracy.scores import Flip, PairedResult
from verify.gate import Gate, gate
from verify.limits import FLOAT32_MAX_ABS, TOP1_POINTS

NAME = "paired accuracy"
LIMIT = f"no unexplained flip, |top-1 difference| <= {TOP1_POINTS}, every image read"


def paired_gate(result: PairedResult, *, coverage: Sequence[str] = ()) -> Gate:
    """Holds when every image was read, no flip is unexplained, and the top-1 differ by no more than the limit.

    One image is more than 0.02 points of a set of under 5,000; there, an explained flip of one image may stand.

    Args:
        result: both frameworks' scores.
        coverage: in what the rows are not the data set's images, each once and under its own label.
    """
    difference = result.top1_difference
    limit = max(TOP1_POINTS, 100 / result.read if result.read else 0.0) + 1e-9
    problems = [*coverage, *(f"not read    {name}: {error}" for name, error in result.unreadable)]
    problems += [f"unexplained flip  {_describe(flip)}" for flip in result.flips if not flip.explained]
    if not result.read:
        problems.append("no image could be read")
    if not result.max_abs <= FLOAT32_MAX_ABS:
        problems.append(f"logits differ by {result.max_abs:.2e}, the limit is {FLOAT32_MAX_ABS:.0e}")
    if difference is not None and abs(difference) > limit:
        problems.append(f"top-1 differs by {difference:+.3f} points")
    measured = f"{counted(len(result.flips), 'flip')}, {result.unexplained} unexplained"
    measured += f", {result.read:,} of {result.images:,} images"
    if difference is not None:
        measured += f", top-1 differs by {difference:.3f}"
    return gate(
        NAME,
        not problems,
        measured,
        LIMIT,
        problems=tuple(problems),
        flips=len(result.flips),
        unexplained=result.unexplained,
        top1_difference=difference,
        max_abs=result.max_abs,
    )


def _describe(flip: Flip) -> str:
    return (
        f"{flip.name}: torch {flip.torch} (margin {flip.torch_margin:.2e}), "
        f"paddle {flip.paddle} (margin {flip.paddle_margin:.2e})"
    )
