"""What a verification found, for a terminal; and the phrases that every form of the report shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convert.errors import counted, shown
from verify.accuracy import Accuracy, Flip, Interval, PairedResult
from verify.compare import Gate
from verify.diagnosis import interval_lines, statistics_lines, why_table
from verify.layers import layer_rows
from verify.result import Result
from verify.store import FRAMEWORKS

SHOWN = 8  # problems and flips on a terminal; the files have all of them
LABELS = {"torch": "torch", "paddle": "Paddle"}


def as_text(result: Result) -> str:
    """The result for a terminal."""
    lines = [f"{visible(key):<18}{visible(value)}" for key, value in result.facts.items()]
    lines += ["", *_table(["gate", "verdict", "measured", "limit"], gate_rows(result.gates))]
    for gate in result.gates:
        lines += _listed(gate.name, gate.problems)
    if result.layers:
        head, *rows = layer_rows(result.layers)
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


def visible(text: object) -> str:
    """Text out of files, on one line, with nothing in it that a terminal, a browser or XML would not print."""
    return shown(text, limit=len(str(text)))


def gate_rows(gates: Sequence[Gate]) -> list[list[str]]:
    """Name, verdict, measured and limit of each gate."""
    return [[gate.name, gate.verdict.value, visible(gate.measured), gate.limit] for gate in gates]


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
