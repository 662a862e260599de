"""No message names an option that the command which prints it does not have."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convert.cli import make_parser as make_convert_parser
from convert.inspect.cli import make_parser as make_inspect_parser
from verify.pairing.cli import make_parser as make_pair_parser
from verify.program.commands import make_parser as make_program_parser
from verify.usage import make_parser as make_verify_parser

ROOT = Path(__file__).parents[1]
OPTION = re.compile(r"(?<![\w-])(?<!var\()--[a-z][a-z0-9-]*")  # no variable of CSS

# Options of other programs, by the word that says whose.
OTHERS = {
    "convert/ownership.py": {"--yes", "--force-reinstall", "--no-deps"},  # pip's, in a command line of pip
    "convert/inspect/recognised.py": {"--arch"},  # convert's advice, which is taken out
    "convert/source/unlike.py": {"--list"},  # convert's, and called so
    "verify/workers/batches.py": {"--shm-size"},  # docker's, and called so
}

# Modules of convert/ whose messages `verify` never prints, although most of convert/ speaks for both commands.
CONVERTS_ALONE = {
    "convert/cli.py": "the command itself",
    "convert/summary.py": "what the command says of what it did",
    "convert/job.py": "a conversion; verify's only one is of the sample, which is good",
    "convert/tables/spec.py": "refuse_changes, of a conversion by a table",
    "convert/key_formats/naming.py": "names_for, of a target that is written in other keys",
    "convert/source/locate.py": "names, addresses and digests, where verify takes files",
    "convert/checkpoints/atomic.py": "check_target, of a target that exists; verify writes none but in a new folder",
}


def options_of(make_parser: Callable[[], argparse.ArgumentParser]) -> set[str]:
    return {option for action in make_parser()._actions for option in action.option_strings}


CONVERTS, VERIFYS = options_of(make_convert_parser), options_of(make_verify_parser)
INSPECTS = options_of(make_inspect_parser)
PAIRS = options_of(make_pair_parser)
PROGRAMS = options_of(make_program_parser) | {"--for"}  # of `paddleferry completion`


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is no docstring, the pieces of f-strings among them."""
    tree = ast.parse(source)
    described = (ast.Module, ast.ClassDef, ast.FunctionDef)
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, described) and node.body]
    docstrings = {id(statement.value) for statement in bodies if isinstance(statement, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def known_to(module: str) -> set[str]:
    """The options that every command has which may print that module's messages."""
    if module.startswith("verify/program/"):
        return CONVERTS | VERIFYS | INSPECTS | PAIRS | PROGRAMS
    if module.startswith("verify/pairing/"):
        return PAIRS | VERIFYS
    if module.startswith("convert/inspect/"):
        return INSPECTS
    if not module.startswith("convert/"):
        return VERIFYS
    return CONVERTS if module in CONVERTS_ALONE else CONVERTS & VERIFYS


def strangers(module: str, source: str) -> list[str]:
    known = known_to(module) | OTHERS.get(module, set())
    return [
        f"{module}:{line} {option}"
        for line, text in texts(source)
        for option in OPTION.findall(text)
        if option not in known
    ]


def modules() -> Iterator[tuple[str, str]]:
    for package in ("convert", "verify", "models_torch", "models_paddle"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_each_option_that_a_message_names_is_one_of_its_command() -> None:
    assert [stranger for module, source in modules() for stranger in strangers(module, source)] == []


def test_the_messages_are_found() -> None:
    named = {option for _, source in modules() for _, text in texts(source) for option in OPTION.findall(text)}

    assert named >= {"--weights", "--dtype", "--plan", "--report", "--batch-size", "--class-map"}
    assert named >= (CONVERTS | VERIFYS) - {"-h", "--help"}


@pytest.mark.parametrize("module", CONVERTS_ALONE)
def test_each_exception_is_needed(module: str) -> None:
    source = dict(modules())[module]

    assert {option for _, text in texts(source) for option in OPTION.findall(text)} - VERIFYS


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("verify/pair.py", 'raise FerryError("x is float64: --dtype float32 rounds it")'),
        ("verify/gates/x.py", 'f"{name} differs; --layer {name} says where"'),
        ("convert/casting.py", 'raise FerryError(f"{name} is float64: --dtype float32 rounds it")'),
        ("convert/job.py", '"--layers says where"'),
        ("models_torch/loading.py", '"--plan prints them all"'),
    ],
)
def test_an_option_that_the_command_lacks_is_seen(module: str, message: str) -> None:
    assert len(strangers(module, f'"""A docstring of --anything."""\n{message}\n')) == 1


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("convert/job.py", '"--num-classes N gives it one"'),
        ("convert/checkpoints/reading.py", '"choose one with --weights"'),
        ("verify/report/svg.py", '"var(--ink)"'),
        ("verify/inputs.py", '"no --data"'),
    ],
)
def test_an_option_that_the_command_has_is_let_through(module: str, message: str) -> None:
    assert strangers(module, message) == []
