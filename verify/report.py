"""What a verification found, as a table for a terminal, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from convert.errors import counted
from verify.accuracy import Flip, PairedResult
from verify.compare import Gate
from verify.diagnosis import statistics_lines, why_table
from verify.layers import layer_rows
from verify.result import Result
from verify.store import FRAMEWORKS

SHOWN = 8  # problems and flips on a terminal; the files have all of them
SCHEMA_VERSION = 1
REPORTS = ("report.json", "report.md")


def as_text(result: Result) -> str:
    """The result for a terminal."""
    lines = [f"{key:<18}{value}" for key, value in result.facts.items()]
    lines += ["", *_table(["gate", "verdict", "measured", "limit"], _gate_rows(result.gates))]
    for gate in result.gates:
        lines += _listed(gate.name, gate.problems)
    if result.layers:
        head, *rows = layer_rows(result.layers)
        lines += ["", *_table(head, rows)]
    if result.paired:
        lines += ["", *_table(["", "top-1", "top-5", "images"], _accuracy_rows(result.paired)), ""]
        lines += _paired_lines(result.paired)
        lines += _listed("flips", [flip_line(flip) for flip in result.paired.flips])
    if result.why:
        lines += ["", f"why: {result.why.verdict}"]
    if result.why and result.why.rows:
        lines += ["", *_table(*why_table(result.why))]
    return "\n".join([*lines, "", headline(result)])


def as_markdown(result: Result) -> str:
    """The result for a pull request, every flip and problem in it."""
    lines = [
        f"## {headline(result)}",
        "",
        *_markdown(["gate", "verdict", "measured", "limit"], _gate_rows(result.gates)),
    ]
    for gate in result.gates:
        lines += _bullets(gate.name, gate.problems)
    if result.layers:
        head, *rows = layer_rows(result.layers)
        lines += ["", *_markdown(head, rows)]
    if result.paired:
        lines += ["", *_markdown(["", "top-1", "top-5", "images"], _accuracy_rows(result.paired)), ""]
        lines += [f"- {line}" for line in _paired_lines(result.paired)]
        lines += _bullets("flips", [flip_line(flip) for flip in result.paired.flips])
    if result.why:
        lines += ["", f"**why**: {result.why.verdict}"]
    if result.why and result.why.rows:
        lines += ["", *_markdown(*why_table(result.why))]
    return "\n".join([*lines, "", *(f"- {key}: {value}" for key, value in result.facts.items()), ""])


def as_json(result: Result) -> str:
    """The result for programs. NaN and infinity, which JSON lacks, are null."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "ok": result.ok,
        "facts": dict(result.facts),
        "gates": [_gate_document(gate) for gate in result.gates],
        "paired": asdict(result.paired) if result.paired else None,
        "layers": asdict(result.layers) if result.layers else None,
        "why": asdict(result.why) if result.why else None,
    }
    return json.dumps(_plain(document), indent=2, allow_nan=False)


def write_reports(result: Result, folder: Path) -> None:
    """Writes report.json and report.md into the folder."""
    (folder / "report.json").write_text(as_json(result) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(as_markdown(result), encoding="utf-8")


def remove_reports(folder: Path) -> None:
    """Removes what an earlier run left in the folder, so that it cannot be taken for this one's."""
    for name in REPORTS:
        (folder / name).unlink(missing_ok=True)


def headline(result: Result) -> str:
    """The verdict in one line."""
    verdicts = [gate.verdict.value for gate in result.gates]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return f"{'VERIFIED' if result.ok else 'NOT VERIFIED'}: {counts}"


def flip_line(flip: Flip) -> str:
    """One flip: image, label, both predictions and margins."""
    label = "" if flip.label is None else f" (label {flip.label})"
    why = "explained by rounding" if flip.explained else "UNEXPLAINED"
    return (
        f"{flip.name}{label}: torch {flip.torch} by {flip.torch_margin:.2e}, paddle {flip.paddle} by "
        f"{flip.paddle_margin:.2e}, logits differ by {flip.max_abs:.2e}, {why}"
    )


def _gate_rows(gates: Sequence[Gate]) -> list[list[str]]:
    return [[gate.name, gate.verdict.value, gate.measured, gate.limit] for gate in gates]


def _accuracy_rows(paired: PairedResult) -> list[list[str]]:
    return [
        [
            framework,
            _score(paired.accuracy[framework].top1),
            _score(paired.accuracy[framework].top5),
            f"{paired.read:,}",
        ]
        for framework in FRAMEWORKS
    ]


def _score(value: float | None) -> str:
    return "no labels" if value is None else f"{value:.3f}"


def _paired_lines(paired: PairedResult) -> list[str]:
    lines = [
        f"same best class on {paired.agreement:.3f} % of the images; largest logit difference {paired.max_abs:.2e}",
    ]
    if paired.read < paired.images:
        missing = counted(paired.images - paired.read, "image")
        lines.append(f"accuracy is over {paired.read:,} of {paired.images:,}: {missing} could not be read")
    return lines + statistics_lines(paired)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]


def _markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    hidden = len(lines) - SHOWN
    more = [f"  ... and {hidden} more; --report writes them all"] if hidden > 0 else []
    return ["", f"{title}:", *(f"  {line}" for line in lines[:SHOWN]), *more]


def _bullets(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"**{title}**", "", *(f"- {line}" for line in lines)] if lines else []


def _gate_document(gate: Gate) -> dict[str, Any]:
    document = {
        "name": gate.name,
        "verdict": gate.verdict.value.lower(),
        "measured": gate.measured,
        "limit": gate.limit,
    }
    return {**document, "problems": list(gate.problems), "values": dict(gate.values)}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
