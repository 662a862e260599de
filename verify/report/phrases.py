"""The phrases that every form of the report shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convert.errors import counted
from convert.frameworks import FRAMEWORKS
from convert.visible import visible
from verify.accuracy.scores import ClassScore, Flip, Interval, PairedResult
from verify.gate import Gate
from verify.gates.layers import UnitReport
from verify.result import Result
from verify.why.explain import WhyReport

CLASSES_SHOWN = 3  # classes named


def interval_lines(paired: PairedResult) -> list[str]:
    """The intervals of both top-1; nothing without labels."""
    intervals = {name: paired.accuracy[name].top1_interval for name in FRAMEWORKS}
    ranges = [f"{name} {interval[0]:.2f} to {interval[1]:.2f}" for name, interval in intervals.items() if interval]
    return [f"top-1 within (Wilson, 95 %): {', '.join(ranges)}"] if ranges else []


def statistics_lines(paired: PairedResult) -> list[str]:
    """McNemar's test and the classes that differ; nothing without labels."""
    if paired.mcnemar is None:
        return []
    test = paired.mcnemar
    lines = [
        f"right in torch alone {test.torch_only:,}, in paddle alone {test.paddle_only:,}: McNemar p = {test.p:.2g}",
    ]
    if different := sorted((score for score in paired.per_class if _difference(score)), key=_difference, reverse=True):
        named = ", ".join(
            f"{score.label} ({score.torch_right} and {score.paddle_right} of {score.images} right)"
            for score in different[:CLASSES_SHOWN]
        )
        more = f" and {len(different) - CLASSES_SHOWN} more" if len(different) > CLASSES_SHOWN else ""
        lines.append(f"{counted(len(different), 'label')} with another accuracy: {named}{more}")
    return lines


def _difference(score: ClassScore) -> int:
    return abs(score.torch_right - score.paddle_right)


def why_table(why: WhyReport) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the usual mistakes' scores, nearest to the expected top-1 first."""
    head = ["if it were", "top-1", "difference", "p", "images"]
    rows = [[r.name, f"{r.top1:.2f}", f"{r.difference:+.2f}", f"{r.p:.2g}", f"{r.images:,}"] for r in why.rows]
    return head, rows


LABELS = {"torch": "torch", "paddle": "Paddle"}


def headline(result: Result) -> str:
    """The verdict in one line."""
    return f"{verdict(result)}: {verdict_counts(result)}"


def verdict(result: Result) -> str:
    """The verdict in one word or two."""
    return "VERIFIED" if result.ok else "NOT VERIFIED"


def verdict_counts(result: Result) -> str:
    """How many gates passed, failed and did not run."""
    verdicts = [gate.verdict.value for gate in result.gates]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))


def flip_line(flip: Flip) -> str:
    """One flip: image, label, both predictions and margins."""
    label = "" if flip.label is None else f" (label {flip.label})"
    why = "explained by rounding" if flip.explained else "UNEXPLAINED"
    return (
        f"{visible(flip.name)}{label}: torch {flip.torch} by {flip.torch_margin:.2e}, paddle {flip.paddle} by "
        f"{flip.paddle_margin:.2e}, logits differ by {flip.max_abs:.2e}, {why}"
    )


def departure(report: UnitReport) -> str:
    """Which unit departs first, and in which data type where that is not float64; without a full stop."""
    if report.first is None:
        return "No unit departs"
    if report.first.dtype == "float64":
        return f"The first unit that departs is {visible(report.first.name)}"
    return f"The first unit that departs is {visible(report.first.name)}, in {report.first.dtype} alone"


def gate_rows(gates: Sequence[Gate]) -> list[list[str]]:
    """Name, verdict, outcome and limit of each gate."""
    return [[gate.name, gate.verdict.value, visible(gate.outcome), gate.limit] for gate in gates]


def note_lines(gates: Sequence[Gate]) -> list[str]:
    """What the gates tell beside their verdicts, a line each."""
    return [f"{gate.name}: {visible(gate.note)}" for gate in gates if gate.note]


def score(value: float | None) -> str:
    """A top-1 or top-5 in per cent."""
    return "no labels" if value is None else f"{value:.3f}"


def interval(value: Interval | None) -> str:
    """A 95 % interval in per cent; empty where there is none."""
    return "" if value is None else f"{value[0]:.2f} to {value[1]:.2f}"


def paired_lines(paired: PairedResult, *, intervals: bool = True) -> Iterator[str]:
    """What belongs beside the scores, a line each; without the intervals where those stand at the scores."""
    yield f"same best class on {paired.agreement:.3f} % of the images; largest logit difference {paired.max_abs:.2e}"
    yield from interval_lines(paired) if intervals else ()
    yield from statistics_lines(paired)
    if paired.read < paired.images:
        missing = counted(paired.images - paired.read, "image")
        yield f"accuracy is over {paired.read:,} of {paired.images:,}: {missing} could not be read"
