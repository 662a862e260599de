"""What a comparison of two files says to programs: JSON of the form that `diff.schema.json` states."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from convert.console import json_text
from convert.inspect.diff import Difference, FileDiff, Side

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).parent / "diff.schema.json"


def diff_as_json(diff: FileDiff) -> str:
    """What parts the two files."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "equal": diff.is_equal,
        "files": [_side(side) for side in diff.sides],
        "same": diff.same,
        "only_in_first": list(diff.only[0]),
        "only_in_second": list(diff.only[1]),
        "renamed": [asdict(pair) for pair in diff.renamed],
        "different": [_difference(difference) for difference in diff.different],
    }
    return json_text(document)


def _side(side: Side) -> dict[str, Any]:
    return {**asdict(side), "path": str(side.path)}


def _difference(difference: Difference) -> dict[str, Any]:
    values = difference.values
    return {
        "name": difference.name,
        "shapes": [list(shape) for shape in difference.shapes],
        "dtypes": list(difference.dtypes),
        "differing": values.differing if values else None,
        "max_abs": values.max_abs if values else None,
        "transposed": difference.transposed,
    }
