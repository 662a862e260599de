"""What a verification found, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from convert.console import aligned
from convert.frameworks import FRAMEWORKS
from convert.visible import joined, visible
from verify.accuracy.scores import Accuracy, PairedResult
from verify.gates.layers import unit_rows
from verify.report.phrases import (
    flip_line,
    gate_rows,
    headline,
    note_lines,
    paired_lines,
    score,
    why_table,
)
from verify.result import Result
from verify.store.words import fact_words

SHOWN = 8  # problems and flips on a terminal; the files have all of them


def as_text(result: Result) -> str:
    """The result for a terminal."""
    lines = [f"{visible(key):<18}{visible(value)}" for key, value in fact_words(result.facts).items()]
    lines += ["", *aligned([("gate", "verdict", "measured", "limit"), *gate_rows(result.gates)])]
    if notes := note_lines(result.gates):
        lines += ["", *notes]
    for gate in result.gates:
        lines += _listed(gate.name, gate.problems)
    if result.units:
        lines += ["", *aligned(unit_rows(result.units))]
    if result.paired:
        lines += ["", *aligned([("", "top-1", "top-5", "images"), *_accuracy_rows(result.paired)]), ""]
        lines += paired_lines(result.paired)
        lines += _listed("flips", [flip_line(flip) for flip in result.paired.flips])
    if result.why:
        lines += ["", f"why: {result.why.verdict}"]
        if result.why.rows:
            head, rows = why_table(result.why)
            lines += ["", *aligned([head, *rows])]
    return joined([*lines, "", headline(result)])


def _accuracy_rows(paired: PairedResult) -> list[list[str]]:
    return [[framework, *_scores(paired.accuracy[framework]), f"{paired.read:,}"] for framework in FRAMEWORKS]


def _scores(accuracy: Accuracy) -> tuple[str, str]:
    return score(accuracy.top1), score(accuracy.top5)


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    hidden = len(lines) - SHOWN
    more = [f"  ... and {hidden} more; --report writes them all"] if hidden > 0 else []
    return ["", f"{title}:", *(f"  {visible(line)}" for line in lines[:SHOWN]), *more]
