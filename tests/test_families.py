"""A family's code lies in the family's files: nobody else asks a specification for its class or for a field by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from convert.archs import ARCHS
from convert.key_formats.families import FORMATS_TO_WRITE
from models_paddle.building import MODELS as PADDLE_MODELS
from models_torch.building import MODELS as TORCH_MODELS
from verify.reference.families import UNITS

ROOT = Path(__file__).parents[1]
FOLDERS = ("convert", "models_torch", "models_paddle", "verify", "scripts")
FAMILIES = {type(spec) for spec in ARCHS.values()}


def questions(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of every question for a specification's class, or for an attribute that it may lack."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.expr | ast.pattern) and _is_a_question(node):
            yield node.lineno, ast.unparse(node)


def _is_a_question(node: ast.expr | ast.pattern) -> bool:
    match node:
        case ast.MatchClass():
            return _is_a_family(node.cls)
        case ast.Compare():
            return any(map(_is_a_family, (node.left, *node.comparators)))
        case ast.Call(func=ast.Name(id="isinstance")):
            return any(map(_is_a_family, ast.walk(node.args[1])))
        case ast.Call(func=ast.Name(id="getattr" | "hasattr")):
            return _last_name(node.args[0]) == "spec"
    return False


def _is_a_family(node: ast.AST) -> bool:
    return _last_name(node) in {family.__name__ for family in FAMILIES}


def _last_name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def test_nobody_asks_a_specification_for_its_class() -> None:
    asked = {
        f"{path.relative_to(ROOT)}:{line}": question
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for line, question in questions(path.read_text(encoding="utf-8"))
    }

    assert asked == {}


PLANTED = {
    "isinstance": "def f(spec):\n    return isinstance(spec, ConvNeXtSpec) and spec.grn",
    "isinstance of several": "assert isinstance(spec, (ConvNeXtSpec, archs.ConvNeXtIsotropicSpec))",
    "type": "if type(spec) is convnext.ConvNeXtSpec: pass",
    "match": "match spec:\n    case ConvNeXtSpec(): pass",
    "getattr": "flat = getattr(spec, 'conv_mlp', False)",
    "hasattr": "if hasattr(model.spec, 'grn'): pass",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_question_is_seen(kind: str) -> None:
    assert len(list(questions(PLANTED[kind]))) == 1


@pytest.mark.parametrize(
    "text",
    ["isinstance(layer, Block)", "getattr(model, name)", "model = MODELS[type(spec)](spec)", "spec = ConvNeXtSpec()"],
)
def test_what_is_no_question_is_let_through(text: str) -> None:
    assert list(questions(text)) == []


@pytest.mark.parametrize("table", [FORMATS_TO_WRITE, TORCH_MODELS, PADDLE_MODELS, UNITS])
def test_every_table_has_a_row_for_each_family(table: object) -> None:
    assert isinstance(table, dict)
    assert set(table) == FAMILIES
