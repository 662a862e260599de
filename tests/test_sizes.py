"""No file and no function grows beyond what a reader keeps in mind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("convert", "verify", "models_torch", "models_paddle", "scripts", "tests")
LONGEST_FILE = 300  # lines
LONGEST_FUNCTION = 40
NINE_IN_TEN = 18  # lines of the functions of the packages


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Each function's name and how many lines it has."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_and_function_is_short(folder: str) -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in files(folder)}

    assert {name: count for name, text in texts.items() if (count := text.count("\n")) > LONGEST_FILE} == {}
    assert [
        f"{name}: {function} has {lines} lines"
        for name, text in texts.items()
        for function, lines in functions(text)
        if lines > LONGEST_FUNCTION
    ] == []


def test_nine_functions_in_ten_of_the_packages_are_seen_at_once() -> None:
    texts = [path.read_text(encoding="utf-8") for folder in FOLDERS[:4] for path in files(folder)]
    lines = sorted(count for text in texts for _, count in functions(text))

    assert lines[int(len(lines) * 0.9)] <= NINE_IN_TEN


def test_a_long_function_is_counted() -> None:
    assert list(functions("def f():\n" + "    pass\n" * 41)) == [("f", 42)]
