"""Reads a parameter table's file. Nothing that it names is imported or run, and every problem stands in one error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convert.errors import TableError, either, shown
from convert.params import Layout, LeftOut, PaddleLeftOut, Param, Row
from convert.paths import AnyPath
from convert.tables.checking import (
    MAX_ROWS,
    MAX_RULES,
    find_rule_problem,
    named,
    problems_of_models,
    problems_of_rows,
)
from convert.tables.fields import DATE, NO_SECTION, TEXT, Fields, described, is_argument, is_size, is_text, is_whole
from convert.tables.naming import Namer
from convert.tables.parsing import parse
from convert.tables.table import ModelName, Proof, Table, Value

FORMAT = "paddleferry table 1"
LAYOUTS = {layout.value: layout for layout in Layout}


def read_table(path: AnyPath) -> Table:
    """The table of a `.toml` or `.json`.

    Raises:
        TableError: the file cannot be read, or is no table; its `problems` has every one of them.
    """
    path, problems = Path(path), list[str]()
    content = parse(path, problems)
    if content.get("format") != FORMAT:
        found = f"its format is {described(content['format'])}" if "format" in content else "it has no format"
        raise TableError(path, [f'is no table that is known here: {found}; a table begins with format = "{FORMAT}"'])
    table = table_of(content, problems)
    if problems:
        raise TableError(path, problems)
    return table


def table_of(content: Mapping[str, Any], problems: list[str]) -> Table:
    """The table of names and values out of a file, as far as it can be read.

    Args:
        content: of a file of our format.
        problems: where a line goes for each thing that is wrong with it; a table with any is not to be used.
    """
    fields = Fields("the table", content, problems)
    fields.asked += ["format"]
    name = fields.text("name", needed=True)
    torch = _model("[torch]", fields.section("torch", needed=True), problems)
    paddle = _model("[paddle]", fields.section("paddle", needed=True), problems)
    proof = fields.section("proof")
    rules = tuple(_rules(fields.section("rules"), problems))
    tensors, gone = fields.section("tensors", needed=True), fields.section("paddle_left_out")
    fields.end()
    if len(tensors) + len(gone) > MAX_ROWS:
        problems.append(f"[tensors] has {len(tensors):,} tensors, and at most {MAX_ROWS:,} are read")
        tensors = gone = NO_SECTION
    before = len(problems)
    rows, left_out = tuple(_rows(tensors, rules, problems)), tuple(_paddle_left_out(gone, problems))
    if rows or len(problems) == before:
        problems.extend(problems_of_rows(rows, left_out))
    return Table(
        name, torch, paddle, rows, left_out, rules, _proof(proof, problems) if proof is not NO_SECTION else None
    )


def _model(where: str, content: Mapping[str, Any], problems: list[str]) -> ModelName:
    if content is NO_SECTION:
        return ModelName("")
    own: list[str] = []
    fields = Fields(where, content, own)
    reference, setup = fields.text("model", needed=True), fields.text("setup")
    arguments = fields.section("arguments")
    fields.end()
    for name, value in arguments.items():
        if not is_argument(value):
            fields.tell(
                f"has an argument {shown(repr(name))} = {described(value)}, which has to be text, a finite number, "
                "true, false, or a list of such"
            )
    model = ModelName(reference, tuple((name, _frozen(value)) for name, value in arguments.items()), setup)
    problems.extend(own or problems_of_models((where, model)))
    return model


def _frozen(value: Any) -> Value:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _proof(content: Mapping[str, Any], problems: list[str]) -> Proof:
    fields = Fields("[proof]", content, problems)
    pair = fields.take("size", is_size, "a list of height and width, each 1 or more", (1, 1), needed=True)
    versions = fields.section("versions", needed=True)
    proof = Proof(
        seed=fields.whole("seed", least=0),
        size=(pair[0], pair[1]),
        in_chans=fields.whole("in_chans", least=1),
        max_rel=fields.measure("max_rel", needed=True) or 0.0,
        training_max_rel=fields.measure("training_max_rel", needed=False),
        eps_as_float32=fields.truth("eps_as_float32"),
        versions=tuple((name, str(version)) for name, version in versions.items()),
        date=str(fields.take("date", _is_date, 'text of the form "2026-01-31"', "", needed=True)),
    )
    fields.end()
    for name, version in versions.items():
        if not (is_text(name) and is_text(version)):
            fields.tell(f"has {shown(repr(name))} = {described(version)} among versions; both have to be {TEXT}")
    return proof


def _is_date(value: object) -> bool:
    return isinstance(value, str) and DATE.fullmatch(value) is not None


def _rules(content: Mapping[str, Any], problems: list[str]) -> Iterator[tuple[str, str]]:
    if len(content) > MAX_RULES:
        problems.append(
            f"[rules] has {len(content):,} rules, and at most {MAX_RULES} are read; name the tensors instead"
        )
        return
    for official, theirs in content.items():
        rule = f"rule {shown(repr(official))} = {described(theirs)}"
        if not (is_text(official) and is_text(theirs)):
            problems.append(f"{rule} has to be a template of two names, each {TEXT}")
        elif problem := find_rule_problem(official, theirs):
            problems.append(f"{rule} {problem}")
        else:
            yield official, theirs


def _rows(content: Mapping[str, Any], rules: Sequence[tuple[str, str]], problems: list[str]) -> Iterator[Row]:
    namer = Namer(rules)
    for name, section in content.items():
        own: list[str] = []
        fields = Fields(named(name), section, own)
        if not is_text(name):
            fields.tell(f"has a name that is not {TEXT}")
        left_out = "left_out" in fields.content
        row = _left_out(name, fields) if left_out else _param(name, fields, namer)
        fields.end()
        problems.extend(own)
        if not own:
            yield row


def _param(name: str, fields: Fields, namer: Namer) -> Param:
    known = either(map(repr, LAYOUTS))
    layout = fields.take("layout", lambda value: isinstance(value, str) and value in LAYOUTS, known, Layout.SAME.value)
    paddle_name = fields.text("paddle")
    return Param(name, fields.shape(), LAYOUTS[layout], paddle_name or namer.paddle_name(name), fields.text("dtype"))


def _left_out(name: str, fields: Fields) -> LeftOut:
    value = fields.take("value", is_whole, "a whole number; leave it out where it cannot be made anew", None)
    why = fields.text("left_out")
    return LeftOut(name, fields.shape(), fields.text("dtype", needed=True), value, why)


def _paddle_left_out(content: Mapping[str, Any], problems: list[str]) -> Iterator[PaddleLeftOut]:
    for name, section in content.items():
        own: list[str] = []
        fields = Fields(f"[paddle_left_out] {shown(repr(name))}", section, own)
        if not is_text(name):
            fields.tell(f"has a name that is not {TEXT}")
        row = PaddleLeftOut(name, fields.shape(), fields.text("why", needed=True))
        fields.end()
        problems.extend(own)
        if not own:
            yield row
