"""What a verification found, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from convert.frameworks import FRAMEWORKS
from verify.accuracy.scores import Accuracy, PairedResult
from verify.gates.layers import unit_rows
from verify.report.phrases import (
    flip_line,
    gate_rows,
    headline,
    paired_lines,
    score,
    visible,
    why_table,
)
from verify.result import Result
from verify.store.words import fact_words

SHOWN = 8  # problems and flips on a terminal; the files have all of them


def as_text(result: Result) -> str:
    """The result for a terminal."""
    lines = [f"{visible(key):<18}{visible(value)}" for key, value in fact_words(result.facts).items()]
    lines += ["", *_table(["gate", "verdict", "measured", "limit"], gate_rows(result.gates))]
    for gate in result.gates:
        lines += _listed(gate.name, gate.problems)
    if result.units:
        head, *rows = unit_rows(result.units)
        lines += ["", *_table(head, rows)]
    if result.paired:
        lines += ["", *_table(["", "top-1", "top-5", "images"], _accuracy_rows(result.paired)), ""]
        lines += paired_lines(result.paired)
        lines += _listed("flips", [flip_line(flip) for flip in result.paired.flips])
    if result.why:
        lines += ["", f"why: {result.why.verdict}"]
        if result.why.rows:
            lines += ["", *_table(*why_table(result.why))]
    return "\n".join([*lines, "", headline(result)])


def _accuracy_rows(paired: PairedResult) -> list[list[str]]:
    return [[framework, *_scores(paired.accuracy[framework]), f"{paired.read:,}"] for framework in FRAMEWORKS]


def _scores(accuracy: Accuracy) -> tuple[str, str]:
    return score(accuracy.top1), score(accuracy.top5)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    hidden = len(lines) - SHOWN
    more = [f"  ... and {hidden} more; --report writes them all"] if hidden > 0 else []
    return ["", f"{title}:", *(f"  {visible(line)}" for line in lines[:SHOWN]), *more]
