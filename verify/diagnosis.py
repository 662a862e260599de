"""The statistics of a run in words, a line each, for the terminal and for a pull request."""

from __future__ import annotations

from convert.errors import counted
from verify.accuracy import ClassScore, PairedResult
from verify.store import FRAMEWORKS
from verify.why import WhyReport

SHOWN = 3  # classes named


def interval_lines(paired: PairedResult) -> list[str]:
    """The intervals of both top-1; nothing without labels."""
    intervals = {name: paired.accuracy[name].top1_interval for name in FRAMEWORKS}
    ranges = [f"{name} {found[0]:.2f} to {found[1]:.2f}" for name, found in intervals.items() if found]
    return [f"top-1 within (Wilson, 95 %): {', '.join(ranges)}"] if ranges else []


def statistics_lines(paired: PairedResult) -> list[str]:
    """McNemar's test and the classes that differ; nothing without labels."""
    if paired.mcnemar is None:
        return []
    test = paired.mcnemar
    lines = [
        f"right in torch alone {test.torch_only:,}, in paddle alone {test.paddle_only:,}: McNemar p = {test.p:.2g}",
    ]
    if apart := sorted((score for score in paired.per_class if _apart(score)), key=_apart, reverse=True):
        named = ", ".join(
            f"{score.label} ({score.torch_right} and {score.paddle_right} of {score.images} right)"
            for score in apart[:SHOWN]
        )
        more = f" and {len(apart) - SHOWN} more" if len(apart) > SHOWN else ""
        lines.append(f"{counted(len(apart), 'label')} with another accuracy: {named}{more}")
    return lines


def _apart(score: ClassScore) -> int:
    return abs(score.torch_right - score.paddle_right)


def why_table(why: WhyReport) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the usual mistakes' scores, nearest to the expected top-1 first."""
    head = ["if it were", "top-1", "difference", "p", "images"]
    rows = [[r.name, f"{r.top1:.2f}", f"{r.difference:+.2f}", f"{r.p:.2g}", f"{r.images:,}"] for r in why.rows]
    return head, rows
