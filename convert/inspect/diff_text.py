"""What a comparison of two files says to people."""

from __future__ import annotations

from convert.console import aligned
from convert.errors import counted, shown
from convert.inspect.diff import Difference, FileDiff, Side
from convert.inspect.text import LONGEST, SHOWN, hidden_line
from convert.visible import joined


def diff_as_text(diff: FileDiff) -> str:
    """What parts the two files."""
    first, second = diff.sides
    lines = [*map(_side_line, diff.sides), ""]
    for side, names in zip(diff.sides, diff.only, strict=True):
        if names:
            lines += [f"only in {side.path}: {counted(len(names), 'tensor')}"]
            lines += _first([f"  {shown(name, LONGEST)}" for name in names])
    if diff.renamed:
        lines += [f"of these, {counted(len(diff.renamed), 'tensor')} equal under another name:"]
        renamed = [
            f"  {shown(pair.first, LONGEST)} is {shown(pair.second, LONGEST)}{', transposed' * pair.transposed}"
            for pair in diff.renamed
        ]
        lines += _first(renamed)
    if diff.different:
        lines += [f"different: {counted(len(diff.different), 'tensor')}"]
        rows = [("  name", "shape", "dtype", "differing", "max abs", ""), *map(_difference_row, diff.different[:SHOWN])]
        lines += [*aligned(rows), *hidden_line(len(diff.different))]
    verdict = "equal" if diff.is_equal else "different"
    total = max(first.tensors, second.tensors)
    return joined([*lines, f"{verdict}: {diff.same:,} of {counted(total, 'tensor')} the same, bit for bit"])


def _side_line(side: Side) -> str:
    where = f", at {shown(side.weights, LONGEST)}" if side.weights else ""
    return f"{side.path}: {side.container}{where}, {counted(side.tensors, 'tensor')}"


def _difference_row(difference: Difference) -> tuple[str, ...]:
    shapes, dtypes, values = difference.shapes, difference.dtypes, difference.values
    shape = str(shapes[0]) if shapes[0] == shapes[1] else f"{shapes[0]} and {shapes[1]}"
    dtype = dtypes[0] if dtypes[0] == dtypes[1] else f"{dtypes[0]} and {dtypes[1]}"
    apart = (f"{values.differing:,}", f"{values.max_abs:.6g}") if values else ("-", "-")
    name = f"  {shown(difference.name, LONGEST)}"
    return (name, shape, dtype, *apart, "equal transposed" if difference.transposed else "")


def _first(lines: list[str]) -> list[str]:
    return [*lines[:SHOWN], *hidden_line(len(lines))]
