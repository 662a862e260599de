"""The tree of errors at the head of convert/errors.py is that of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from convert import errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("convert", "verify", "models_torch", "models_paddle")
INDENT = 4  # of the root in the drawing; a child stands two further to the right


def drawn() -> Iterator[tuple[str, str, str]]:
    """Of each line of the drawing the class, the class that it stands under, and the phrase."""
    above: list[str] = []
    for spaces, name, phrase in re.findall(r"^( {4,})([A-Z]\w+)(.*)$", errors.__doc__ or "", re.MULTILINE):
        del above[(len(spaces) - INDENT) // 2 :]
        yield name, above[-1] if above else "Exception", phrase.strip()
        above.append(name)


def defined(root: Path) -> dict[str, str]:
    """Every class that derives from FerryError to its base, read from the text: no framework need be loaded."""
    bases = {
        node.name: ast.unparse(node.bases[0]).rpartition(".")[2]
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.bases
    }
    tree = {"FerryError": bases["FerryError"]}
    while more := {name: base for name, base in bases.items() if base in tree and name not in tree}:
        tree |= more
    return tree


def test_the_drawing_has_every_error_under_its_base() -> None:
    assert {name: base for name, base, _ in drawn()} == defined(ROOT)


def test_every_error_of_the_drawing_has_its_phrase_and_stands_once() -> None:
    lines = list(drawn())

    assert all(phrase for _, _, phrase in lines)
    assert len({name for name, _, _ in lines}) == len(lines) >= 14


def test_the_reading_of_the_code_is_python_s_own() -> None:
    tree = defined(ROOT)

    ours = {name: value for name, value in vars(errors).items() if isinstance(value, type) and name in tree}
    assert {name: value.__bases__[0].__name__ for name, value in ours.items()} == {name: tree[name] for name in ours}
    assert set(ours) >= {"FerryError", "RefusedCheckpoint", "TargetError"}


def test_an_error_that_the_drawing_lacks_is_seen(tmp_path: Path) -> None:
    (tmp_path / "convert").mkdir()
    (tmp_path / "verify").mkdir()
    (tmp_path / "convert" / "errors.py").write_text("class FerryError(Exception): ...\n")
    (tmp_path / "verify" / "late.py").write_text("def f():\n    class Late(errors.FerryError): ...\n")

    assert defined(tmp_path) == {"FerryError": "Exception", "Late": "FerryError"}
