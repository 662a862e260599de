"""A table as TOML: the same table gives the same text, a line a tensor, so that a pull request shows what changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from convert.errors import TableError
from convert.params import Layout, LeftOut, Row
from convert.tables.checking import doubles
from convert.tables.naming import Namer
from convert.tables.reading import FORMAT, table_of
from convert.tables.table import ModelName, Proof, Table
from convert.visible import joined

BARE = re.compile(r"[A-Za-z0-9_-]+")

Document = dict[str, Any]


def format_table(table: Table) -> str:
    """The text of the table's file, which `read_table` makes the same table of.

    A tensor's name in Paddle stands in its line only where neither a rule nor its name in PyTorch gives it.

    Raises:
        TableError: no file could hold the table, or it contradicts itself; its `problems` has everything that does.
    """
    problems = list(doubles(table.rows, table.paddle_left_out))
    document = document_of(table)
    again = table_of(document, problems)
    if again != table and not problems:
        problems.append("has a name twice among its rules, or among a model's arguments or the versions")
    if problems:
        raise TableError(table.name, list(dict.fromkeys(problems)))
    return f"{joined(_lines(document))}\n"


def document_of(table: Table) -> Document:
    """The table as names and values, which JSON can hold too."""
    namer = Namer(table.rules)
    left_out = {row.name: {"shape": list(row.shape), "why": row.why} for row in table.paddle_left_out}
    sections: Document = {
        "torch": _model(table.torch),
        "paddle": _model(table.paddle),
        "proof": _proof(table.proof) if table.proof else {},
        "rules": dict(table.rules),
        "tensors": {row.torch_name: _row(row, namer) for row in table.rows},
        "paddle_left_out": left_out,
    }
    kept = {name: section for name, section in sections.items() if section}
    return {"format": FORMAT, "name": table.name, **kept}


def _model(model: ModelName) -> Document:
    arguments = {name: _listed(value) for name, value in model.arguments}
    fields = {"model": model.reference, "arguments": arguments, "setup": model.setup}
    return {name: value for name, value in fields.items() if value or name == "model"}


def _proof(proof: Proof) -> Document:
    fields = {**vars(proof), "size": list(proof.size), "versions": dict(proof.versions)}
    return {name: value for name, value in fields.items() if value is not None}


def _row(row: Row, namer: Namer) -> Document:
    fields: Document = {"shape": list(row.shape)}
    if isinstance(row, LeftOut):
        value = {} if row.value is None else {"value": row.value}
        return {**fields, "dtype": row.dtype, **value, "left_out": row.why}
    if row.layout is not Layout.SAME:
        fields["layout"] = row.layout.value
    if row.dtype:
        fields["dtype"] = row.dtype
    if row.paddle_name != namer.paddle_name(row.torch_name):
        fields["paddle"] = row.paddle_name
    return fields


def _listed(value: Any) -> Any:
    return list(map(_listed, value)) if isinstance(value, tuple) else value


def _lines(document: Document) -> Iterator[str]:
    """A line a field, under its section's name; what stands in a field stands in its line."""
    for name, value in document.items():
        if not isinstance(value, dict):
            yield _line(name, value)
            continue
        yield from ("", f"[{name}]")
        yield from (_line(field, content) for field, content in value.items())


def _line(name: str, value: object) -> str:
    return f"{_key(name)} = {_text(value)}"


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else _text(name)


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_line(name, content) for name, content in value.items())} }}"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
