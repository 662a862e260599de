"""The table of gates, and that whoever lists the gates lists these."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_gates import failed, passed

from verify.gate import Verdict, not_run
from verify.gates import (
    FLOAT64,
    GATES,
    PAIRED,
    PREPROCESSING,
    PUBLISHED,
    STRUCTURE,
    When,
    complete,
    in_order,
    order_in_words,
    readme_table,
)
from verify.usage import make_parser

ROOT = Path(__file__).parents[3]
READMES = [path for name in ("README.md", "verify/README.md") if (path := ROOT / name).is_file()]


def tables(text: str) -> list[str]:
    """The Markdown tables of gates."""
    return [table.strip() for table in re.findall(r"^\| gate \| input \|.*\n(?:\|.*\n)+", text, re.MULTILINE)]


def test_the_readme_s_table_is_the_code_s() -> None:
    shown = [table for path in READMES for table in tables(path.read_text(encoding="utf-8"))]

    assert shown
    assert set(shown) == {readme_table()}


def test_the_help_says_the_order_in_which_they_run() -> None:
    text = " ".join(make_parser().format_help().split())

    assert f"gates, in this order: {order_in_words()} exit status: " in text
    assert order_in_words() == (
        "structure, float64 oracle, float32 logits; with --layers, layers; with --gradients, gradients; "
        "with --data, preprocessing, paired accuracy and, where a recipe is known and no value overrides it, "
        "published accuracy"
    )


def test_no_name_stands_twice_and_gates_that_run_together_stand_together() -> None:
    whens = [row.when for row in GATES]

    assert len({row.name for row in GATES}) == len(GATES)
    assert whens == sorted(whens, key=list(When).index)


@pytest.mark.parametrize("library", ["numpy", "PIL", "torch", "paddle"])
def test_the_help_loads_no(library: str) -> None:
    probe = f"import verify.gates, verify.usage, sys; sys.exit({library!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0


def test_gates_come_in_their_order_and_those_without_a_row_last() -> None:
    names = [gate.name for gate in in_order([passed("other"), passed(PAIRED.name), passed(STRUCTURE.name)])]

    assert names == [STRUCTURE.name, PAIRED.name, "other"]


def test_what_is_asked_for_and_did_not_run_says_why_in_its_place() -> None:
    published = not_run(PUBLISHED.name, "no --data", "within 0.05 of 82.1")
    ran = [failed(STRUCTURE.name), published]
    gates = complete(ran, [When.ALWAYS, When.DATA], "too bad")

    assert [(gate.name, gate.outcome) for gate in gates if gate.verdict is Verdict.NOT_RUN] == [
        (FLOAT64.name, "too bad"),
        ("float32 logits", "too bad"),
        (PREPROCESSING.name, "too bad"),
        (PAIRED.name, "too bad"),
        (PUBLISHED.name, "no --data"),
    ]
    assert gates[0] == ran[0]
    assert [gate.limit for gate in gates[-2:]] == [PAIRED.limit, published.limit]


def test_what_ran_stands_in_the_result_whether_it_was_asked_for_or_not() -> None:
    assert complete([passed("layers")], [], "no reason") == (passed("layers"),)
