"""The gate on accuracy: both frameworks over the same images."""

from __future__ import annotations

from collections.abc import Sequence

from convert.errors import counted
from verify.accuracy.scores import Flip, PairedResult
from verify.gate import Gate, Measure
from verify.gates import PAIRED
from verify.limits import FLOAT32_MAX_ABS, POINTS_DECIMALS, TOP1_POINTS


def paired_gate(result: PairedResult, *, coverage: Sequence[str] = ()) -> Gate:
    """Holds when every image was read, no flip is unexplained, and the top-1 differ by no more than the limit.

    One image is more than 0.02 points of a set of under 5,000; there, an explained flip of one image may stand.

    Args:
        result: both frameworks' scores.
        coverage: in what the rows are not the data set's images, each once and under its own label.
    """
    difference = result.top1_difference
    logits = Measure("logit difference", result.max_abs, FLOAT32_MAX_ABS)
    top1 = _top1_measure(result)
    problems = [*coverage, *(f"not read    {name}: {error}" for name, error in result.unreadable)]
    problems += [f"unexplained flip  {_describe(flip)}" for flip in result.flips if not flip.explained]
    if not result.read:
        problems.append("no image could be read")
    if not logits.holds:
        problems.append(f"logits differ by {result.max_abs:.2e}, the limit is {FLOAT32_MAX_ABS:.0e}")
    if difference is not None and not all(measure.holds for measure in top1):
        problems.append(f"top-1 differs by {difference:+.3f} points")
    measured = f"{counted(len(result.flips), 'flip')}, {result.unexplained} unexplained"
    measured += f", {result.read:,} of {result.images:,} images"
    if difference is not None:
        measured += f", top-1 differs by {difference:.3f}"
    measures = (
        Measure("images not read", result.images - result.read, 0),
        Measure("flips", len(result.flips)),
        Measure("unexplained flips", result.unexplained, 0),
        logits,
        *top1,
    )
    return Gate(PAIRED.name, measured, PAIRED.limit, measures, problems=tuple(problems))


def _top1_measure(result: PairedResult) -> tuple[Measure, ...]:
    """The difference in percentage points; its limit is one image's on a small set. Nothing without labels."""
    if result.top1_difference is None:
        return ()
    limit = max(TOP1_POINTS, 100 / result.read if result.read else 0.0)
    difference = abs(result.top1_difference)
    return (Measure("top-1 difference", round(difference, POINTS_DECIMALS), round(limit, POINTS_DECIMALS)),)


def _describe(flip: Flip) -> str:
    return (
        f"{flip.name}: torch {flip.torch} (margin {flip.torch_margin:.2e}), "
        f"paddle {flip.paddle} (margin {flip.paddle_margin:.2e})"
    )
