"""Text leaves by the doors of convert/visible.py and convert/console.py alone: a forgotten place is seen here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("convert", "verify", "models_torch", "models_paddle")

# Who prints, and why not by convert/console.py.
PRINTERS = {
    "convert/console.py": {"print"},
    "verify/program/commands.py": {"print"},  # where another's `convert` hides ours
}
# Who makes lines of texts, and why not by `joined`.
JOINERS = {
    "convert/visible.py",
    "verify/gates/__init__.py",  # the README's own table
    "verify/report/markdown.py",  # to search them for the longest run of backticks
}


def calls(source: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))


def printing(source: str) -> set[str]:
    """By what a module's text writes to the terminal."""
    written = {ast.unparse(call.func) for call in calls(source)}
    return written & {"print", "sys.stdout.write", "sys.stderr.write", "warnings.warn"}


def joins_lines(source: str) -> bool:
    """Whether a module's text puts an end of a line between texts by itself."""
    return any(ast.unparse(call.func) in ("'\\n'.join", "os.linesep.join") for call in calls(source))


def sources() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }


def test_nobody_prints_but_the_console() -> None:
    assert {name: ways for name, source in sources().items() if (ways := printing(source))} == PRINTERS


def test_nobody_joins_lines_but_by_the_door() -> None:
    assert {name for name, source in sources().items() if joins_lines(source)} <= JOINERS


def test_every_parser_repeats_what_was_typed_by_its_escapes() -> None:
    own = {name for name, source in sources().items() for call in calls(source) if makes_parser(call)}

    assert own == set()


def makes_parser(call: ast.Call) -> bool:
    return ast.unparse(call.func).rpartition(".")[2] == "ArgumentParser"


def test_what_is_planted_is_seen() -> None:
    assert printing("import sys\nprint(1)\nsys.stderr.write('x')\nprint_result('x')") == {"print", "sys.stderr.write"}
    assert joins_lines("def f(lines):\n    return '\\n'.join(lines)")
    assert makes_parser(next(calls("argparse.ArgumentParser(prog='x')")))
