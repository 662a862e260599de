"""The manual of inspect explains every option and every sign."""

from __future__ import annotations

import re
from pathlib import Path

import convert.inspect
from convert.inspect.cli import make_parser
from convert.inspect.signs import KINDS

MANUAL = (Path(convert.inspect.__path__[0]) / "README.md").read_text(encoding="utf-8")


def table(head: str) -> list[list[str]]:
    """The rows of the table with that head, without the line under it."""
    rows = MANUAL[MANUAL.index(head) :].partition("\n\n")[0].splitlines()[2:]
    return [row[2:-2].split(" | ") for row in rows]


def test_every_option_is_explained() -> None:
    explained = [re.findall(r"--[\w-]+", option)[0] for option, _ in table("| option | what it does |")]

    known = {option for action in make_parser()._actions for option in action.option_strings}
    assert sorted(explained) == sorted(known - {"-h", "--help"})


def test_every_sign_is_explained() -> None:
    assert table("| sign | when |") == [list(sign) for sign in KINDS.items()]
