"""A table's file: what is written is read as the same table, in either form, and shows what changed."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tables import ROWS, SQUARE, TINY, written

import convert.tables
from convert import ARCHS, TableError, TableSpec, format_table, read_table
from convert.params import Layout, LeftOut, PaddleLeftOut, Param
from convert.tables import ModelName, Table
from convert.tables.writing import document_of

MANUAL = Path(convert.tables.__path__[0]) / "README.md"


@pytest.mark.parametrize("table", [TINY, SQUARE, dataclasses.replace(TINY, rules=(), proof=None)])
def test_a_table_is_read_as_it_was_written(table: Table, tmp_path: Path) -> None:
    again = read_table(written(table, tmp_path))

    assert again == table
    assert hash(again) == hash(table)
    assert format_table(again) == format_table(table)


def test_a_table_in_json_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(document_of(TINY), indent=1), encoding="utf-8")

    assert read_table(str(tmp_path / "tiny.json")) == TINY


@pytest.mark.parametrize("arch", ["convnext_atto", "convnextv2_femto", "convnext_isotropic_small"])
def test_every_architecture_can_be_a_table(arch: str, tmp_path: Path) -> None:
    table = dataclasses.replace(TINY, name=arch, rows=tuple(ARCHS[arch].rows()), rules=(), paddle_left_out=())

    spec = TableSpec.of(read_table(written(table, tmp_path)))

    assert spec.params() == ARCHS[arch].params()


def test_every_layout_has_its_word_and_a_line_has_what_differs() -> None:
    lines = format_table(TINY).splitlines()

    assert '"flat.weight" = { shape = [6, 6, 1, 1], layout = "squeeze" }' in lines
    assert '"layer1.0.bn1.running_mean" = { shape = [4] }' in lines  # a rule names it
    assert '"layer1.0.bn1.running_var" = { shape = [4], paddle = "bb_1_0.bn1._variance" }' in lines
    assert 'index = { shape = [3, 3], dtype = "int64" }' in lines
    assert {layout.value for layout in Layout} - {"copy"} == set(re.findall('layout = "(.*?)"', format_table(TINY)))


def test_one_changed_tensor_is_one_changed_line() -> None:
    rows = (*ROWS[:-1], dataclasses.replace(ROWS[-1], shape=(11,)))
    before, after = (format_table(table).splitlines() for table in (TINY, dataclasses.replace(TINY, rows=rows)))

    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert changed == [
        '- "fc.bias" = { shape = [10], paddle = "out.bias" }',
        '+ "fc.bias" = { shape = [11], paddle = "out.bias" }',
    ]


def test_names_that_toml_must_quote_come_back(tmp_path: Path) -> None:
    names = ('a"b\\c', "a b", "ключ", "'", "#", "a=b", "[x]", "{i}", "-", "../../etc/passwd", "C:\\x", "os:system")
    table = dataclasses.replace(SQUARE, rows=tuple(Param(name, (2,)) for name in names))

    assert read_table(written(table, tmp_path)) == table


BAD_TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "a name twice": ({"rows": (*ROWS, ROWS[0])}, "tensor 'stem.weight' stands twice among PyTorch's"),
    "one name in Paddle twice": (
        {"rows": (*ROWS, Param("x", (3,), paddle_name="out.bias"))},
        "tensor 'x' has Paddle's name 'out.bias', as 'fc.bias' has",
    ),
    "left out, and carried": (
        {"paddle_left_out": (PaddleLeftOut("out.bias", (1,), "x"),)},
        "tensor 'out.bias' is left out of Paddle's, and 'fc.bias' has its name",
    ),
    "a layout of another rank": (
        {"rows": (*ROWS, Param("x", (3,), Layout.LINEAR))},
        "tensor 'x' has layout 'transpose', which is for a shape (out, in), and its shape is (3,)",
    ),
    "a control character": ({"rows": (*ROWS, Param("x\x1b[2J", (3,)))}, "has a name that is not one line of text"),
    "no reason": ({"rows": (*ROWS, LeftOut("x", why=""))}, "has left_out = ''"),
    "an infinite argument": ({"torch": ModelName("a:b", (("x", float("inf")),))}, "argument 'x' = inf"),
    "an argument twice": ({"torch": ModelName("a:b", (("x", 1), ("x", 2)))}, "has a name twice"),
    "a size of nothing": ({"rows": (Param("x", (0, 3)),)}, "has shape = [0, 3]"),
    "no tensor": ({"rows": ()}, "has no tensor"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_no_file_is_written_that_could_not_be_read(case: str) -> None:
    changes, problem = BAD_TABLES[case]

    with pytest.raises(TableError) as caught:
        format_table(dataclasses.replace(TINY, **changes))

    assert problem in str(caught.value)
    assert str(caught.value).startswith("tiny: ")


def test_the_manual_s_table_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "small_net.toml").write_text(text, encoding="utf-8")

    table = read_table(tmp_path / "small_net.toml")

    assert [row.paddle_name for row in table.rows if isinstance(row, Param)][1:5] == [
        f"block_1_0.norm1.{name}" for name in ("weight", "bias", "_mean", "_variance")
    ]


def test_the_manual_names_every_layout() -> None:
    named = re.findall(r"^\| `(.*?)` \| \(|^\| `(copy)`", MANUAL.read_text(encoding="utf-8"), re.MULTILINE)

    assert {"".join(words) for words in named} == {layout.value for layout in Layout}
